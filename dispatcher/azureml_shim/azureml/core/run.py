"""v1's home of Run, ScriptRun, get_run."""

from dispatcher.client.run import Run, ScriptRun, get_run

__all__ = ["Run", "ScriptRun", "get_run"]
