"""v1's pipeline names."""

from dispatcher.client.unsupported import module as _module

_PARENT = (
    "there are no pipelines; submit a script that submits the steps as its children: "
    "Run.get_context().submit_child(config), then child.wait_for_completion()."
)
_NAMES = (
    "AutoMLStep",
    "CommandStep",
    "DataTransferStep",
    "DatabricksStep",
    "EstimatorStep",
    "HyperDriveStep",
    "HyperDriveStepRun",
    "ModuleStep",
    "MpiStep",
    "ParallelRunConfig",
    "ParallelRunStep",
    "PythonScriptStep",
    "RScriptStep",
)
__getattr__ = _module("azureml.pipeline.steps", dict.fromkeys(_NAMES, _PARENT))
