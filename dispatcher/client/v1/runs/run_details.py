"""`RunDetails(run).show()`: the run at a glance, in a notebook or in a terminal."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

import threading

from dispatcher.client import checks
from dispatcher.client.console import echo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from dispatcher.client.v1.runs.run import Run

_MOST_CHILDREN = 50
_MOST_LOG = 20_000
_LOOK_SECONDS = 2.0


class RunDetails:
    """A view of a run.

    Args:
        run_instance: The run.
    """

    def __init__(self, run_instance: Run) -> None:
        from dispatcher.client.v1.runs.run import Run

        checks.instance("run_instance", run_instance, Run, "a run")
        self._run = run_instance
        self._stopped = threading.Event()

    def show(
        self, render_lib: Any = None, widget_settings: Optional[Dict[str, Any]] = None
    ) -> None:
        """Show the run: in a notebook as a table that follows it, elsewhere as text, once.

        Args:
            render_lib: v1's; without a meaning here.
            widget_settings: v1's; `{"debug": True}` and the like change nothing.
        """
        display = _notebook_display()
        data = self.get_widget_data()
        if display is None:
            echo(as_text(data))
            return
        handle = display(_Page(data), display_id=True)
        if handle is not None and data["status"] not in _ENDED:
            follower = threading.Thread(
                target=self._follow, args=(handle,), name="dispatcher-widget", daemon=True
            )
            follower.start()

    def get_widget_data(self, widget_settings: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """What is shown, in v1's keys."""
        from dispatcher.client.v1.runs.run import Run

        run = self._run
        details = run.get_details()
        children = _children(run)
        metrics = Run.get_metrics(run, recursive=bool(children))  # a sweep's own lacks its own
        own = metrics.get(run.id, {}) if children else metrics
        return {
            "status": details["status"],
            "workbench_run_details_uri": run.get_portal_url(),
            "run_id": run.id,
            "run_properties": _properties(run, details),
            "child_runs": children,
            "children_metrics": {k: v for k, v in metrics.items() if children and k != run.id},
            "run_metrics": [_series(run.id, name, value) for name, value in own.items()],
            "run_logs": _log(run),
            "graph": {},
            "widget_settings": dict(widget_settings or {}),
            "loading": False,
        }

    def _follow(self, handle: Any) -> None:
        """Show what has changed, until the run has ended or the service is gone."""
        from dispatcher.client.errors import AzureMLException, ServiceException

        try:
            while not self._stopped.wait(_LOOK_SECONDS):
                data = self.get_widget_data()
                handle.update(_Page(data))
                if data["status"] in _ENDED:
                    return
        except (AzureMLException, ServiceException) as error:
            handle.update(_Page({**self._empty(), "status": f"not followed any more: {error}"}))

    def _empty(self) -> Dict[str, Any]:
        keys = ("child_runs", "run_metrics")
        return {"run_id": self._run.id, "run_logs": "", **{key: [] for key in keys}}


_ENDED = ("Completed", "Failed", "Canceled")


class _Page:
    """What a notebook shows: HTML where it can, text elsewhere."""

    def __init__(self, data: Dict[str, Any]) -> None:
        self._data = data

    def _repr_html_(self) -> str:
        return as_html(self._data)

    def __repr__(self) -> str:
        return as_text(self._data)


def as_text(data: Dict[str, Any]) -> str:
    """The run in lines."""
    lines = [f"{name + ':':<10} {value}" for name, value in _facts(data)]
    if data["run_metrics"]:
        lines += ["", "Metrics"]
        lines += [f"  {name}: {value}" for name, value in _metrics(data)]
    if data["child_runs"]:
        lines += ["", "Children"]
        lines += [f"  {child['run_id']}  {child['status']}" for child in data["child_runs"]]
    return "\n".join(lines)


def as_html(data: Dict[str, Any]) -> str:
    """The run as tables; whatever a script has said is shown as text."""
    from html import escape

    def table(title: str, rows: List[Tuple[Any, Any]]) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{escape(str(name))}</th>"
            f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
            for name, value in rows
        )
        return f"<h4>{title}</h4><table>{cells}</table>" if rows else ""

    children = [(child["run_id"], child["status"]) for child in data["child_runs"]]
    log = f"<h4>Log</h4><pre>{escape(data['run_logs'])}</pre>" if data["run_logs"] else ""
    return (
        "<div class='dispatcher-run'>"
        + table("Run", _facts(data))
        + table("Metrics", _metrics(data))
        + table("Children", children)
        + log
        + "</div>"
    )


def _facts(data: Dict[str, Any]) -> List[Tuple[str, Any]]:
    values = data.get("run_properties", {})
    facts = [("Run", data["run_id"]), ("Status", data["status"])]
    facts += [
        (name, values[key])
        for name, key in (
            ("Script", "script_name"),
            ("Arguments", "arguments"),
            ("Started", "created_utc"),
            ("Ended", "end_time_utc"),
            ("Error", "error"),
        )
        if values.get(key)
    ]
    return [*facts, ("Page", data.get("workbench_run_details_uri", ""))]


def _metrics(data: Dict[str, Any]) -> List[Tuple[str, Any]]:
    return [
        (metric["name"], ", ".join(str(value) for value in metric["series"][0]["data"][-5:]))
        for metric in data["run_metrics"]
    ]


def _properties(run: Run, details: Dict[str, Any]) -> Dict[str, Any]:
    definition = details.get("runDefinition") or {}
    error = (details.get("error") or {}).get("error") or {}
    return {
        "run_id": run.id,
        "created_utc": details.get("startTimeUtc"),
        "properties": details["properties"],
        "tags": run.tags,
        "script_name": definition.get("script"),
        "arguments": " ".join(definition.get("arguments") or []),
        "end_time_utc": details.get("endTimeUtc"),
        "status": details["status"],
        "error": error.get("message"),
        "log_files": details["logFiles"],
    }


def _children(run: Run) -> List[Dict[str, Any]]:
    from itertools import islice

    return [
        {"run_id": child.id, "run_number": child.number, "status": child.status, "tags": child.tags}
        for child in islice(run.get_children(), _MOST_CHILDREN)
    ]


def _series(run_id: str, name: str, value: Any) -> Dict[str, Any]:
    values = value if isinstance(value, list) else [value]
    return {
        "name": name,
        "run_id": run_id,
        "categories": list(range(len(values))),
        "series": [{"data": values}],
    }


def _log(run: Run) -> str:
    """The end of the log that is followed."""
    from dispatcher.client.api import logs
    from dispatcher.client.v1.runs.streaming import choose

    name = choose(logs.names(run._service, run.id))
    return logs.read_text(run._service, run.id, name)[-_MOST_LOG:] if name else ""


def _notebook_display() -> Any:
    """IPython's `display` inside of a notebook's kernel; None elsewhere."""
    import sys

    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    return display if shell is not None and hasattr(shell, "kernel") else None
