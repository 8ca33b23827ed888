"""The files of a run: uploads and downloads."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.v1.runs.record import RecordedRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional, Sequence

    from dispatcher.client.api.artifacts import RunArtifact, RunArtifacts


@checks.checked_class
class RunFiles(RecordedRun):
    """The files of a run. A name is written once: the same content again is fine."""

    def upload_file(
        self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None
    ) -> RunArtifact:
        """Upload a file under a name with `/` between its parts.

        Args:
            name: Its name at the run.
            path_or_stream: A path, or a binary stream, which is read to its end.
            datastore_name: There are no datastores: leave it out.

        Raises:
            UserErrorException: It is neither, cannot be read, or the name is none.
            ServiceException: The name is taken by another content (409).
        """
        import os
        from io import IOBase

        _refuse_datastore(datastore_name)
        if isinstance(path_or_stream, (str, os.PathLike)):
            checks.path("path_or_stream", path_or_stream)
            return self._artifacts.upload([(name, os.fspath(path_or_stream))])[0]
        if not isinstance(path_or_stream, IOBase) and not hasattr(path_or_stream, "read"):
            checks.refuse("path_or_stream", "a path or a binary stream", path_or_stream)
        return self._upload_stream(name, path_or_stream)

    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[str],
        return_artifacts: bool = False,
        timeout_seconds: Optional[int] = None,
        datastore_name: Optional[str] = None,
    ) -> Optional[List[RunArtifact]]:
        """Upload files, each under the name in the same place.

        Raises:
            TypeError: There are not as many names as paths.
            UserErrorException: A file cannot be read, or a name is none.
            ServiceException: A name is taken by another content (409).
            AzureMLException: Not within `timeout_seconds`.
        """
        _refuse_datastore(datastore_name)
        checks.number("timeout_seconds", timeout_seconds)
        if isinstance(names, str) or isinstance(paths, str) or len(names) != len(paths):
            raise TypeError("upload_files takes two lists of the same length: names and paths.")
        files = list(zip(names, paths))  # noqa: B905  (3.8 has no `strict`)
        artifacts = self._artifacts.upload(files, timeout_seconds)
        return artifacts if return_artifacts else None

    def upload_folder(
        self, name: str, path: str, datastore_name: Optional[str] = None
    ) -> List[RunArtifact]:
        """Upload all files below a folder, as `<name>/<path below the folder>`.

        Raises:
            UserErrorException: It is not a folder.
            ServiceException: A name is taken by another content (409).
        """
        _refuse_datastore(datastore_name)
        return self._artifacts.upload(below(path, name))

    def get_file_names(self) -> List[str]:
        """The names of all files, logs among them, in order."""
        from dispatcher.client.api import logs

        names = {artifact.name for artifact in self._artifacts.find()}
        return sorted(names.union(logs.names(self._service, self.id)))

    def download_file(
        self, name: str, output_file_path: Optional[str] = None, _validate_checksum: bool = False
    ) -> None:
        """Download a file; it is there whole or not at all, and is checked in any case.

        Args:
            name: Its name at the run.
            output_file_path: Where to; into a folder under its own name. Default: the current one.

        Raises:
            UserErrorException: There is no such file; the text names those there are.
        """
        import os

        base = name.rpartition("/")[2]
        path = os.fspath(output_file_path) if output_file_path else base
        if os.path.isdir(path):
            path = os.path.join(path, base)
        self._download(name, path)

    def download_files(
        self,
        prefix: Optional[str] = None,
        output_directory: Optional[str] = None,
        output_paths: Optional[List[str]] = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: Optional[int] = None,
    ) -> None:
        """Download all files below a folder of the run.

        Args:
            prefix: The folder; default: all files.
            output_directory: Where to; default: the current folder.
            output_paths: A path below it for each file, in the order of their names.
            batch_size: v1's; without a meaning here.
            append_prefix: Whether the prefix is part of the paths.
            timeout_seconds: After so long, stop; what has come by then is there.

        Raises:
            UserErrorException: There is nothing below the prefix, or not as many paths as files.
            AzureMLException: Not within `timeout_seconds`.
        """
        import time

        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        known = self._known_below(prefix)
        names = sorted(known)
        paths = _paths(names, prefix or "", output_directory, output_paths, append_prefix)
        if output_paths is None:
            paths = _apart(names, paths)
        for name, path in zip(names, paths):  # noqa: B905  (3.8 has no `strict`)
            if deadline is not None and time.monotonic() > deadline:
                from dispatcher.client.errors import AzureMLException

                raise AzureMLException(f"{name} and what follows has not come in time.")
            self._write(name, known[name], path)

    def get_all_logs(self, destination: Optional[str] = None) -> List[str]:
        """Write every log below a folder and return the paths.

        Args:
            destination: The folder; default `assets/<run id>` in the current one.

        Raises:
            UserErrorException: The destination is a file.
        """
        import os

        from dispatcher.client.api import logs

        folder = destination or os.path.join("assets", self.id)
        if os.path.isfile(folder):
            _refuse(f"{folder} is a file; give a folder.")
        paths = []
        for name in logs.names(self._service, self.id):
            path = path_below(folder, name)
            logs.download(self._service, self.id, name, path)
            paths.append(path)
        return paths

    @property
    def _artifacts(self) -> RunArtifacts:
        from dispatcher.client.api.artifacts import RunArtifacts

        return RunArtifacts(self._service, self.id)

    def _upload_stream(self, name: str, stream: Any) -> RunArtifact:
        import tempfile

        with tempfile.NamedTemporaryFile() as copy:
            while True:
                data = stream.read(1 << 20)
                if not data:
                    break
                if isinstance(data, str):
                    _refuse("upload_file takes a binary stream, not one of text.")
                copy.write(data)
            copy.flush()
            return self._artifacts.upload([(name, copy.name)])[0]

    def _download(self, name: str, path: str) -> None:
        from dispatcher.client.api import logs

        artifact = self._artifacts.get(name)
        if artifact is None and name not in logs.names(self._service, self.id):
            there = ", ".join(self.get_file_names()) or "none"
            _refuse(f"Run {self.id} has no file {name!r}; there are: {there}")
        self._write(name, artifact, path)

    def _write(self, name: str, artifact: Optional[RunArtifact], path: str) -> None:
        if artifact is not None:
            self._artifacts.download(artifact, path)
            return
        from dispatcher.client.api import logs

        logs.download(self._service, self.id, name, path)

    def _known_below(self, prefix: Optional[str]) -> Dict[str, Optional[RunArtifact]]:
        """The files below a folder by name; None for those that are logs."""
        from dispatcher.client.api import logs

        stem = (prefix or "").rstrip("/")
        artifacts: Dict[str, Optional[RunArtifact]] = dict.fromkeys(
            logs.names(self._service, self.id)
        )
        artifacts.update((artifact.name, artifact) for artifact in self._artifacts.find(stem))
        if stem:
            artifacts = {
                name: artifact
                for name, artifact in artifacts.items()
                if name == stem or name.startswith(f"{stem}/")
            }
        if not artifacts:
            _refuse(f"Run {self.id} has no files below {prefix or 'it'}; see get_file_names().")
        return artifacts


def below(folder: str, name: str) -> List[tuple[str, str]]:
    """The files below a folder, and what they are called at the run."""
    import os

    if not os.path.isdir(folder):
        _refuse(f"{folder} is not a folder.")
    stem = name.strip("/")
    files_below = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        inside = os.path.relpath(place, folder).replace(os.sep, "/")
        parts = [part for part in (stem, inside) if part not in ("", ".")]
        for file in sorted(files):
            path = os.path.join(place, file)
            if os.path.isfile(path):
                files_below.append(("/".join([*parts, file]), path))
    return files_below


def _paths(
    names: List[str],
    prefix: str,
    folder: Optional[str],
    output_paths: Optional[List[str]],
    append_prefix: bool,
) -> List[str]:
    import os

    if output_paths is not None:
        if len(output_paths) != len(names):
            _refuse(f"{len(output_paths)} output_paths for {len(names)} files: {', '.join(names)}")
        return [os.path.join(folder or "", path) for path in output_paths]
    stem = f"{prefix.rstrip('/')}/" if prefix else ""
    cut = 0 if append_prefix else len(stem)
    return [path_below(folder or "", name[cut:] if name != prefix else name) for name in names]


def _apart(names: List[str], paths: List[str]) -> List[str]:
    """The paths, with another one for a file whose name is that of a folder as well."""
    import logging
    import os

    folders = {folder for path in paths for folder in _folders_of(path)}
    taken, apart = {*folders, *paths}, []
    for name, path in zip(names, paths):  # noqa: B905  (3.8 has no `strict`)
        other = path
        while other in folders or (other != path and other in taken):
            other += ".file"
        if other != path:
            logging.getLogger("dispatcher").warning(
                "%s is a file and a folder of the run; the file is written to %s",
                name, os.path.basename(other),
            )  # fmt: skip
        apart.append(other)
    return apart


def _folders_of(path: str) -> List[str]:
    import os

    folders = []
    while os.path.dirname(path) not in ("", path):
        path = os.path.dirname(path)
        folders.append(path)
    return folders


def path_below(folder: str, name: str) -> str:
    """Where a file of that name goes. Whatever the service says, it stays below the folder."""
    import os

    parts = name.split("/")
    if any(part in ("", ".", "..") or os.sep in part or ":" in part[1:2] for part in parts):
        _refuse(f"{name!r} is not a name that a file below a folder can have.")
    return os.path.join(folder, *parts)


def _refuse_datastore(name: Optional[str]) -> None:
    if name is not None:
        _refuse("There are no datastores; leave datastore_name out: the run keeps the file.")


def _refuse(text: str) -> NoReturn:
    from dispatcher.client.errors import UserErrorException

    raise UserErrorException(text)
