"""v1's module for Run."""

from dispatcher.client.v1.runs.offline import OfflineRun as _OfflineRun
from dispatcher.client.v1.runs.run import Run, ScriptRun, get_run
from dispatcher.client.v1.runs.submitted_run import SubmittedRun as _SubmittedRun

__all__ = ["Run", "ScriptRun", "_OfflineRun", "_SubmittedRun", "get_run"]
