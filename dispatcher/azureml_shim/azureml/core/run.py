"""v1's home of Run."""

from dispatcher.client.in_run.context import _SubmittedRun
from dispatcher.client.runs.offline import OfflineRun as _OfflineRun
from dispatcher.client.runs.run import Run, ScriptRun, get_run

__all__ = ["Run", "ScriptRun", "_OfflineRun", "_SubmittedRun", "get_run"]
