"""The snapshot of a run, and the models that are registered from its files."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.absolute_path import absolute
from dispatcher.client.v1.runs.files import RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Dict, Iterator, Optional

    from dispatcher.client.errors import SnapshotException
    from dispatcher.client.v1.workspaces.model import Model


@checks.checked_class
class RunSnapshot(RunFiles):
    """Source and result of a run."""

    def get_snapshot_id(self) -> Optional[str]:
        """The id of the run's snapshot, or None."""
        snapshot: Optional[str] = self._known("properties").get("ContentSnapshotId")
        return snapshot

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """Keep a folder or a file as the run's snapshot, and return its id.

        Raises:
            SnapshotException: The run has one already, or the folder cannot be taken.
        """
        from dispatcher.client.errors import SnapshotException

        if self._refresh()["properties"].get("ContentSnapshotId"):
            raise SnapshotException(f"Run {self.id} has a snapshot already.")
        snapshot = self._take(file_or_folder_path)
        self._change({"properties": {"ContentSnapshotId": snapshot}})
        return snapshot

    def restore_snapshot(
        self, snapshot_id: Optional[str] = None, path: Optional[str] = None
    ) -> str:
        """Download a snapshot as a zip file, and return its absolute path.

        Args:
            snapshot_id: Default: the run's own.
            path: The folder for `<snapshot id>.zip`; default: the current one.

        Raises:
            SnapshotException: The run has none, or there is no such snapshot.
        """
        import os

        from dispatcher.client.errors import ServiceException, SnapshotException

        snapshot = snapshot_id or self.get_snapshot_id()
        if snapshot is None:
            raise SnapshotException(f"Run {self.id} has no snapshot.")
        folder = absolute(path or ".")
        os.makedirs(folder, exist_ok=True)
        target = os.path.join(folder, f"{os.path.basename(snapshot)}.zip")
        try:
            with self._service.stream(f"/snapshots/{snapshot}/archive") as archive:
                _write_zip(archive, target)
        except ServiceException as error:
            raise SnapshotException(error.message, inner_exception=error) from error
        return target

    def register_model(
        self,
        model_name: str,
        model_path: Optional[str] = None,
        tags: Optional[Dict[str, Any]] = None,
        properties: Optional[Dict[str, Any]] = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        **kwargs: Any,
    ) -> Model:
        """Give files of the run a name and a version that grows with each registration.

        Args:
            model_name: Letters, digits, `_`, `.` and `-`.
            model_path: The file or folder, as `get_file_names` lists it; default: the model's name.
            tags, properties, description: Of the model.
            model_framework, model_framework_version: Kept with the model.
            datasets, sample_input_dataset, sample_output_dataset, resource_configuration: These
                belong to serving, which there is none of: leave them out.

        Raises:
            UserErrorException: The run has no such file, or an argument has to be left out.
        """
        from dispatcher.client.v1.workspaces import model

        serving = (datasets, sample_input_dataset, sample_output_dataset, resource_configuration)
        if any(each is not None for each in serving):
            model.refuse_serving()
        fields = {
            "tags": tags,
            "properties": properties,
            "description": description,
            "framework": model_framework,
            "framework_version": model_framework_version,
        }
        return model.register(self, model_name, model_path or model_name, fields)

    def _take(self, path: str) -> str:
        import os
        import shutil
        import tempfile

        from dispatcher.client.api.snapshots.snapshot import Snapshots

        workspace = self.experiment.workspace
        snapshots = Snapshots(workspace.service, workspace.data_folder)
        if not os.path.isfile(path):
            return snapshots.take(path)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(path, folder)
            return snapshots.take(folder)


def _write_zip(archive: IO[bytes], path: str) -> None:
    """Read a tar stream and write it as a zip file, whole or not at all."""
    import os
    import tarfile
    import zipfile
    from http.client import HTTPException

    part = f"{path}.{os.getpid()}.part"
    packing = zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED)
    try:
        with packing as packed, tarfile.open(fileobj=archive, mode="r|") as tar:
            for member in tar:
                _check_member(member)
                _add(packed, member, tar.extractfile(member))
        os.replace(part, path)
    except (tarfile.TarError, EOFError, HTTPException) as error:
        raise _refused(f"came damaged: {error}") from error
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _check_member(member: Any) -> None:
    """Whatever an archive says, nothing in it leads out of the folder that it is unpacked in."""
    parts = member.name.replace("\\", "/").split("/")
    if (
        member.name.startswith(("/", "\\"))
        or ".." in parts
        or ":" in parts[0]
        or "\0" in member.name
    ):
        raise _refused(f"holds {member.name!r}, which leads out of it")
    if not member.isfile():
        raise _refused(f"holds {member.name!r}, which is not a file")


def _refused(why: str) -> SnapshotException:
    from dispatcher.client.errors import SnapshotException

    return SnapshotException(f"The snapshot {why}.")


def _add(packed: Any, member: Any, file: Optional[IO[bytes]]) -> None:
    import zipfile

    entry = zipfile.ZipInfo(member.name)
    entry.external_attr = (0o100000 | member.mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with packed.open(entry, "w") as target:
        for chunk in _chunks(file):
            target.write(chunk)


def _chunks(file: Optional[IO[bytes]]) -> Iterator[bytes]:
    while file is not None:
        chunk = file.read(1 << 20)
        if not chunk:
            return
        yield chunk
