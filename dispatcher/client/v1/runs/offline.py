"""The run of a script outside of any submitted run: it prints what it would log.

As in v1 it is not a `Run`, has a new id at each call, and lacks what needs a service. The usual
tests of scripts (`run.id.startswith("OfflineRun")`, `hasattr(run, "experiment")`) work.
"""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client.console import echo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional


class OfflineRun:
    """A run without a service.

    Args:
        run_id: Its id; default `OfflineRun_<uuid4>`.
    """

    def __init__(
        self, parent_logger: Any = None, run_id: Optional[str] = None, **kwargs: Any
    ) -> None:
        self._run_id = run_id or f"OfflineRun_{_uuid4()}"

    DELIM = "#"

    @property
    def identity(self) -> str:
        """A name for logs."""
        return f"{type(self).__name__}{self.DELIM}{self.id}"

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run_id

    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        """Print the value."""
        _tell_metric("scalar", name, value)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """Print the list."""
        _tell_metric("list", name, value)

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: Any) -> None:
        """Print the row."""
        _tell_metric("row", name, kwargs)

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        """Print the table."""
        _tell_metric("table", name, value)

    def log_image(
        self, name: str, path: Optional[str] = None, plot: Any = None, description: str = ""
    ) -> None:
        """Print the image's path or plot."""
        _tell_metric("image", name, path if path is not None else plot)

    def log_residuals(self, name: str, value: Any, description: Optional[str] = None) -> None:
        """Print the residuals."""
        _tell_metric("residual", name, value)

    def log_predictions(self, name: str, value: Any, description: Optional[str] = None) -> None:
        """Print the predictions."""
        _tell_metric("predictions", name, value)

    def log_accuracy_table(self, name: str, value: Any, description: Optional[str] = None) -> None:
        """Print the table."""
        _tell_metric("accuracy_table", name, value)

    def log_confusion_matrix(
        self, name: str, value: Any, description: Optional[str] = None
    ) -> None:
        """Print the matrix."""
        _tell_metric("confusion_matrix", name, value)

    def tag(self, name: str, value: Optional[str] = None) -> None:
        """Print the tag."""
        echo(f"Attempted to tag {name}:\n{value}")

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """Print the tags."""
        echo(f"Attempted to set tags:\n{tags}")

    def add_properties(self, properties: Dict[str, Any]) -> None:
        """Print the properties."""
        echo(f"Attempted to add properties:\n{properties}")

    def upload_file(
        self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None
    ) -> None:
        """Print the path; nothing is uploaded."""
        echo(f"Attempted to upload file {name}:\n{path_or_stream}")

    def upload_files(
        self,
        names: List[str],
        paths: List[str],
        return_artifacts: bool = False,
        timeout_seconds: Optional[int] = None,
        datastore_name: Optional[str] = None,
    ) -> None:
        """Print the paths; nothing is uploaded."""
        echo(f"Attempted to upload files {names}:\n{paths}")

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        """Print the path; nothing is uploaded."""
        echo(f"Attempted to upload folder {name}:\n{path}")

    def flush(self, timeout_seconds: int = 300) -> None:
        """Print that it was asked for."""
        echo("Attempted to flush metrics")

    def complete(self) -> None:
        """Does nothing."""

    def cancel(self) -> None:
        """Does nothing."""

    def fail(self, error_details: Any = None, error_code: Optional[str] = None) -> None:
        """Print the error."""
        echo(f"Run failed with error code {error_code}:\n{error_details}")

    def child_run(
        self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Any = None
    ) -> OfflineRun:
        """An offline child; its id is `<this id>.<name>`."""
        return OfflineRun(run_id=run_id or f"{self.id}.{name or _uuid4()}")

    def __enter__(self) -> OfflineRun:
        echo(f"[START] Run {self.id} context")
        return self

    def __exit__(self, exit_type: Any, value: Any, traceback: Any) -> None:
        echo(f"[STOP] Run {self.id} context")

    def __repr__(self) -> str:
        return f"OfflineRun(Id: {self.id})"


def _tell_metric(kind: str, name: str, value: Any) -> None:
    echo(f"Attempted to log {kind} metric {name}:\n{value}")


def _uuid4() -> str:
    import uuid

    return str(uuid.uuid4())
