"""v1's module for SKLearn."""

from dispatcher.client.unsupported import module as _module

_SCRIPT = "use ScriptRunConfig(source_directory, script, arguments, compute_target, environment)."
__getattr__ = _module("azureml.train.sklearn", {"SKLearn": _SCRIPT})
