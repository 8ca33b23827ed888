"""v1's home of ScriptRun."""

from dispatcher.client.run import ScriptRun

__all__ = ["ScriptRun"]
