"""v1's module for ScriptRun."""

from dispatcher.client.v1.runs.run import ScriptRun

__all__ = ["ScriptRun"]
