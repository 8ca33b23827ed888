"""v1's module for Estimator."""

from dispatcher.client.unsupported import module as _module

_SCRIPT = "use ScriptRunConfig(source_directory, script, arguments, compute_target, environment)."
_NAMES = ("Estimator", "MMLBaseEstimator")
__getattr__ = _module("azureml.train.estimator", dict.fromkeys(_NAMES, _SCRIPT))
