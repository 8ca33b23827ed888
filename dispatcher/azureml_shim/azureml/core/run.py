"""v1's home of Run."""

from dispatcher.client.in_run.context import _SubmittedRun
from dispatcher.client.v1.runs.offline import OfflineRun as _OfflineRun
from dispatcher.client.v1.runs.run import Run, ScriptRun, get_run

__all__ = ["Run", "ScriptRun", "_OfflineRun", "_SubmittedRun", "get_run"]
