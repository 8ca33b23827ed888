"""Upload and download of a run's files. A file of any size needs little memory, and a lost
connection costs one part.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time

from dispatcher.client.api.run_path import run_path
from dispatcher.client.errors import AzureMLException, ServiceException, UserErrorException
from dispatcher.wire import uploads
from dispatcher.wire.errors import ContentUnreadable
from dispatcher.wire.uploads import PART_BYTES, FileContent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Iterator, List, Optional, Sequence, Tuple

    from dispatcher.client.api.connection import ApiConnection

    Files = Sequence[Tuple[str, str]]  # name at the run, path

AT_ONCE = 500


class RunArtifact:
    """A file of a run, as the service keeps it.

    Attributes:
        name: Its name.
        size: Its length in bytes.
        sha256: The hash of its content.
    """

    def __init__(self, name: str, size: int, sha256: str) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256

    def __repr__(self) -> str:
        return f"RunArtifact(name={self.name!r}, size={self.size})"


class RunArtifacts:
    """The files of one run.

    Args:
        connection: The service.
        run_id: The run.
    """

    def __init__(self, connection: ApiConnection, run_id: str) -> None:
        self._connection = connection
        self._path = f"{run_path(run_id)}/artifacts"

    def upload(self, files: Files, timeout: Optional[float] = None) -> List[RunArtifact]:
        """Upload files; those that are there already with the same content are not sent again.

        Raises:
            UserErrorException: A file cannot be read, or a name is none that a file can have.
            ServiceException: A name is taken by another content (409).
            AzureMLException: Not within `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        uploaded: List[RunArtifact] = []
        for start in range(0, len(files), AT_ONCE):
            uploaded += self._upload_some(files[start : start + AT_ONCE], deadline)
        return uploaded

    def find(self, prefix: str = "") -> Iterator[RunArtifact]:
        """The files whose names start with `prefix`, by name."""
        after = ""
        while True:
            page = self._connection.get(self._path, [("prefix", prefix), ("after", after)])
            for each in page["artifacts"]:
                yield RunArtifact(each["name"], each["size"], each["sha256"])
            if page["next"] is None:
                return
            after = page["next"]

    def get(self, name: str) -> Optional[RunArtifact]:
        """The file of that name, or None."""
        query = [("prefix", name), ("limit", 1)]  # type: list[tuple[str, str | int]]
        for each in self._connection.get(self._path, query)["artifacts"]:
            if each["name"] == name:  # of all that start so, it is the first in order
                return RunArtifact(name, each["size"], each["sha256"])
        return None

    def download(self, artifact: RunArtifact, path: str) -> None:
        """Write a file to a path, whole or not at all; folders on the way are made.

        Raises:
            AzureMLException: What came is not what was stored.
        """
        target = _native(path)
        folder = os.path.dirname(target)
        if folder:
            os.makedirs(folder, exist_ok=True)
        # A name of its own: a file's name may already have all the bytes that a name can have.
        part = os.path.join(folder, f".{os.getpid()}-{threading.get_ident()}.part".encode())
        try:
            with open(part, "wb") as file:
                self._read_into(file, artifact)
            os.replace(part, target)
        except BaseException:
            if os.path.exists(part):
                os.unlink(part)
            raise

    def _read_into(self, file: IO[bytes], artifact: RunArtifact) -> None:
        from urllib.parse import quote

        digest, held = hashlib.sha256(), 0
        while held < artifact.size:
            span = {"Range": f"bytes={held}-{min(held + PART_BYTES, artifact.size) - 1}"}
            data = self._connection.send(
                "GET", f"{self._path}/{quote(artifact.name)}", extra=span
            ).body
            if not data:
                break
            digest.update(data)
            held += len(data)
            file.write(data)
        if digest.hexdigest() != artifact.sha256:
            raise AzureMLException(f"{artifact.name} came damaged; download it again.")

    def _upload_some(self, files: Files, deadline: Optional[float]) -> List[RunArtifact]:
        described = [(name, _describe(name, path)) for name, path in files]
        artifacts = [RunArtifact(name, file.size, file.sha256) for name, file in described]
        try:
            uploads.upload(
                self._connection,
                {file.sha256: file for _, file in described},
                lambda: self._register(artifacts),
                before_request=lambda: _check(deadline),
            )
        except ContentUnreadable as error:
            raise UserErrorException(f"{error.path}: {error.reason}.") from error
        return artifacts

    def _register(self, artifacts: List[RunArtifact]) -> List[str]:
        entries = [{"name": a.name, "sha256": a.sha256, "size": a.size} for a in artifacts]
        try:
            answer = self._connection.ask(self._path, {"artifacts": entries})
        except ServiceException as error:
            if error.status_code != 422:
                raise
            raise UserErrorException(error.message, inner_exception=error) from error
        missing: List[str] = answer["missing"]
        return missing


def _native(path: str) -> bytes:
    """A path as the system has it; in UTF-8 where the locale has no such characters."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape")


def _describe(name: str, path: str) -> FileContent:
    try:
        return FileContent.of(path)
    except ContentUnreadable as error:
        raise UserErrorException(f"{path} cannot be uploaded as {name}: {error.reason}.") from error


def _check(deadline: Optional[float]) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise AzureMLException(
            "The files were not uploaded within timeout_seconds; upload the rest again."
        )
