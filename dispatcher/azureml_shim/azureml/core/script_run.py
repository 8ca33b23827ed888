"""v1's home of ScriptRun."""

from dispatcher.client.runs.run import ScriptRun

__all__ = ["ScriptRun"]
