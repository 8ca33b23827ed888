"""v1's module for compute targets."""

from dispatcher.client.errors import ComputeTargetException
from dispatcher.client.unsupported import module as _module
from dispatcher.client.v1.compute.amlcompute import AmlCompute
from dispatcher.client.v1.compute.remote_compute import RemoteCompute
from dispatcher.client.v1.compute.targets import ComputeTarget

_ATTACH = (
    "attach what there is by its kind: ComputeTarget.attach(ws, name, {'kind': 'docker'}), or "
    "{'kind': 'ray', 'address': …}."
)
__getattr__ = _module(
    "azureml.core.compute",
    dict.fromkeys(
        (
            *("AdlaCompute", "AksCompute", "BatchCompute", "ComputeInstance", "DataFactoryCompute"),
            *("DatabricksCompute", "DsvmCompute", "HDInsightCompute", "KubernetesCompute"),
            "SynapseCompute",
        ),
        _ATTACH,
    ),
)

__all__ = ["AmlCompute", "ComputeTarget", "ComputeTargetException", "RemoteCompute"]
