"""The metrics of a run: logged and read."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.api import runs
from dispatcher.client.in_run import metric_lines
from dispatcher.client.v1.runs.record import RecordedRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


@checks.checked_class
class LoggedMetrics(RecordedRun):
    """The logging half of a run. Where the lines go is the run's business: `_append`."""

    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        """Log one value; logged again under the same name, the values become a list.

        Args:
            name: The metric.
            value: A number, text, bool or None; anything else is kept as its `repr`.
            description: Kept beside the value.
            step: The step that the value belongs to; it does not change what get_metrics returns.

        Raises:
            UserErrorException: The value is a list, a range or a generator.
        """
        self._append(metric_lines.scalar_line(name, value, description, step))

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """Log a list of values: a list, tuple, range, generator or one-dimensional array.

        An empty one keeps nothing; a list of one value is read back as the value.

        Raises:
            AzureMLException: An element is not a scalar.
        """
        self._append(metric_lines.list_line(name, value, description))

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: Any) -> None:
        """Log one row of a table: `log_row("loss", epoch=1, value=0.5)`.

        Raises:
            AzureMLException: A column is not a scalar.
            UserErrorException: There are no columns.
        """
        self._append(metric_lines.row_line(name, kwargs, description))

    def log_table(self, name: str, value: Dict[str, Any], description: str = "") -> None:
        """Log several rows at once: `log_table("loss", {"epoch": [1, 2], "value": [0.5, 0.4]})`.

        Raises:
            AzureMLException: The columns are not equally long.
        """
        self._append(metric_lines.table_line(name, value, description))

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Dict[str, Any]:
        """The metrics logged so far; what this process has logged is among them.

        Args:
            name: Only this metric.
            recursive: Of the run and all its descendants, as `{run id: {name: value}}`; runs
                without metrics are left out.
            run_type: Only descendants of this type.
            populate: Have images, matrices and tables with their content, instead of references
                to them.

        Returns:
            `{name: value}`: a single value as it is, several as a list in the order of logging,
            rows and tables as `{column: value or list}`.
        """
        from dispatcher.client.v1.runs.metric_view import view

        self.flush()
        query = [("recursive", 1)] if recursive else []  # type: list[tuple[str, str | int]]
        query += [(key, text) for key, text in (("name", name), ("type", run_type)) if text]
        points_by_run = runs.metrics(self._service, self.id, query)
        views = {run_id: view(points) for run_id, points in points_by_run.items() if points}
        if populate:
            views = {run_id: self._populated(run_id, values) for run_id, values in views.items()}
        return views if recursive else views.get(self.id, {})

    def flush(self, timeout_seconds: int = 300) -> None:
        """Bring what this process has logged to the service, and return when it is there."""
        raise NotImplementedError

    def _populated(self, run_id: str, values: Dict[str, Any]) -> Dict[str, Any]:
        raise NotImplementedError

    def _append(self, line: Optional[str]) -> None:
        raise NotImplementedError
