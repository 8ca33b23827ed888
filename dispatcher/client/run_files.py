"""Files of a run: v1's calls, which this release does not carry out yet."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client.run_record import RunRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, NoReturn, Optional


class RunFiles(RunRecord):
    """The files of a run. What is stored already are its logs and its snapshot."""

    def get_all_logs(self, destination: Optional[str] = None) -> List[str]:
        """Write every log below a folder and return the paths.

        Args:
            destination: The folder; default `assets/<run id>` in the current one.

        Raises:
            UserErrorException: The destination is a file.
        """
        import os

        from dispatcher.client import logs
        from dispatcher.client.errors import UserErrorException

        folder = destination or os.path.join("assets", self.id)
        if os.path.isfile(folder):
            raise UserErrorException(f"{folder} is a file; give a folder.")
        paths = []
        for name in logs.names(self._service, self.id):
            path = os.path.join(folder, *name.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(logs.read_text(self._service, self.id, name))
            paths.append(path)
        return paths

    def get_snapshot_id(self) -> Optional[str]:
        """The id of the run's snapshot, or None."""
        snapshot: Optional[str] = self._known("properties").get("ContentSnapshotId")
        return snapshot

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """Not there yet for a run that has none. Raises SnapshotException when it has one."""
        from dispatcher.client.errors import SnapshotException

        if self.get_snapshot_id():
            raise SnapshotException(f"Run {self.id} has a snapshot already.")
        _not_yet("take_snapshot", "Give snapshot_directory to start_logging.")

    def restore_snapshot(
        self, snapshot_id: Optional[str] = None, path: Optional[str] = None
    ) -> str:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("restore_snapshot", "GET /api/v1/snapshots/<id>/archive answers it as a tar.")

    def upload_file(
        self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None
    ) -> Any:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("upload_file", _OUTPUTS)

    def upload_files(
        self,
        names: List[str],
        paths: List[str],
        return_artifacts: bool = False,
        timeout_seconds: Optional[int] = None,
        datastore_name: Optional[str] = None,
    ) -> Any:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("upload_files", _OUTPUTS)

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> Any:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("upload_folder", _OUTPUTS)

    def get_file_names(self) -> List[str]:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("get_file_names", _OUTPUTS)

    def download_file(
        self, name: str, output_file_path: Optional[str] = None, _validate_checksum: bool = False
    ) -> None:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("download_file", _OUTPUTS)

    def download_files(
        self,
        prefix: Optional[str] = None,
        output_directory: Optional[str] = None,
        output_paths: Optional[List[str]] = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: Optional[int] = None,
    ) -> None:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("download_files", _OUTPUTS)

    def register_model(self, model_name: str, model_path: Optional[str] = None, **kw: Any) -> Any:
        """Not part of run management. Raises NotYetAvailable."""
        _not_yet("register_model", "Write the model to storage that your targets share.")


_OUTPUTS = (
    "Write results to storage that your targets share, and log their path with run.log; "
    "get_all_logs() fetches the logs."
)


def _not_yet(call: str, way_out: str) -> NoReturn:
    from dispatcher.client.errors import NotYetAvailable

    raise NotYetAvailable(f"{call} is not available yet. {way_out}")
