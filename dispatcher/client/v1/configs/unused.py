"""Sections of v1's run configuration that are read, kept and written, but not used.

They configure clusters of Azure (AmlCompute, HDInsight, Spark, Kubernetes, parallel tasks). Files
of v1 contain all of them, mostly with their defaults.
"""

from __future__ import annotations

from dispatcher.client.v1.configs.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional


class AmlComputeConfiguration(Section):
    """The machines of a cluster: a target's configuration says what there is."""

    def __init__(self) -> None:
        self.vm_size: Optional[str] = None
        self.vm_priority: Optional[str] = None
        self.retain_cluster = False
        self.cluster_max_node_count: Optional[int] = None
        self.name: Optional[str] = None
        self._seal()


class KubernetesComputeConfiguration(Section):
    """The pods of a cluster."""

    def __init__(self) -> None:
        self.instance_type: Optional[str] = None
        self._seal()


class SparkConfiguration(Section):
    """The settings of Spark."""

    def __init__(self) -> None:
        self.configuration: Dict[str, Any] = {
            "spark.app.name": "Azure ML Experiment",
            "spark.yarn.maxAppAttempts": 1,
        }
        self._seal()


class HdiConfiguration(Section):
    """How HDInsight starts a job."""

    def __init__(self) -> None:
        self.yarn_deploy_mode = "cluster"
        self._seal()


class ParallelTaskConfiguration(Section):
    """The workers of a parallel step of a pipeline."""

    def __init__(self) -> None:
        self.max_retries_per_worker = 0
        self.worker_count_per_node = 1
        self.terminal_exit_codes: Optional[List[int]] = None
        self._seal()
