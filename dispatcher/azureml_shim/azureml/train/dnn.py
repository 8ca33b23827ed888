"""v1's module for the estimators of deep learning."""

from dispatcher.client.unsupported import module as _module

_SCRIPT = (
    "use ScriptRunConfig(source_directory, script, distributed_job_config=PyTorchConfiguration(…))."
)
_NAMES = ("Chainer", "Gloo", "Mpi", "Nccl", "ParameterServer", "PyTorch", "TensorFlow")
__getattr__ = _module("azureml.train.dnn", dict.fromkeys(_NAMES, _SCRIPT))
