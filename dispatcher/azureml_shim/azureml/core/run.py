"""v1's home of Run."""

from dispatcher.client.context import _SubmittedRun
from dispatcher.client.offline import OfflineRun as _OfflineRun
from dispatcher.client.run import Run, ScriptRun, get_run

__all__ = ["Run", "ScriptRun", "_OfflineRun", "_SubmittedRun", "get_run"]
