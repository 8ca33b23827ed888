"""v1's module for the configuration classes."""

from dispatcher.client.unsupported import module as _module
from dispatcher.client.v1.configs.run_configuration import (
    DockerConfiguration,
    HistoryConfiguration,
    MpiConfiguration,
    PyTorchConfiguration,
    RunConfiguration,
    TensorflowConfiguration,
)
from dispatcher.client.v1.configs.unused import (
    AmlComputeConfiguration,
    HdiConfiguration,
    KubernetesComputeConfiguration,
    ParallelTaskConfiguration,
    SparkConfiguration,
)
from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies
from dispatcher.client.v1.environments.environment import Environment, EnvironmentDefinition
from dispatcher.client.v1.environments.parts import (
    ContainerRegistry,
    DockerEnvironment,
    DockerSection,
    PythonEnvironment,
    PythonSection,
    SparkEnvironment,
    SparkSection,
)

# The images that v1 named; a target's own image is used where none is set.
DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"

_DATA = "there are no datasets and datastores; pass paths as script arguments."
__getattr__ = _module(
    "azureml.core.runconfig",
    dict.fromkeys(
        (
            "Data",
            "DataLocation",
            "DataPath",
            "DataReferenceConfiguration",
            "Dataset",
            "DatacacheConfiguration",
            "OutputData",
            "Uri",
        ),
        _DATA,
    ),
)

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "AmlComputeConfiguration",
    "CondaDependencies",
    "ContainerRegistry",
    "DockerConfiguration",
    "DockerEnvironment",
    "DockerSection",
    "Environment",
    "EnvironmentDefinition",
    "HdiConfiguration",
    "HistoryConfiguration",
    "KubernetesComputeConfiguration",
    "MpiConfiguration",
    "ParallelTaskConfiguration",
    "PyTorchConfiguration",
    "PythonEnvironment",
    "PythonSection",
    "RunConfiguration",
    "SparkConfiguration",
    "SparkEnvironment",
    "SparkSection",
    "TensorflowConfiguration",
]
