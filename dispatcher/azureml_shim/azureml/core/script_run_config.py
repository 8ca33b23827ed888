"""v1's module for ScriptRunConfig."""

from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig

__all__ = ["ScriptRunConfig"]
