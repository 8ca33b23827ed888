"""v1's home of ScriptRun."""

from dispatcher.client.v1.runs.run import ScriptRun

__all__ = ["ScriptRun"]
