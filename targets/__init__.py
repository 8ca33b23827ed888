"""Compute targets: where jobs run. Six verbs (`base.py`), a module or a package a kind.

`build()` turns a configuration into a target and imports `docker` or `ray` only when one of that
kind is asked for. The room knows `dispatcher.core` and the wire protocol of the node agent; it
never sees the store or the service.
"""

from targets.base import Target, TargetUnavailable
from targets.config import DockerConfig, LocalConfig, RayConfig
from targets.service_address import ServiceAddress


def build(
    config: LocalConfig | DockerConfig | RayConfig, site: ServiceAddress, agent_token: str
) -> Target:
    """The target that a configuration describes; TargetUnavailable if its library is missing.

    `agent_token` is what its agents send spools with.
    """
    try:
        if isinstance(config, LocalConfig):
            from targets.local import LocalTarget

            return LocalTarget(config, site, agent_token)
        if isinstance(config, DockerConfig):
            from targets.docker.target import DockerTarget

            return DockerTarget(config, site, agent_token)
        from targets.ray.target import RayTarget

        return RayTarget(config, site, agent_token)
    except ImportError as error:
        raise TargetUnavailable(
            f"target {config.name}: {error}. Install it: "
            f"pip install 'compute-target-dispatcher[{config.kind}]'"
        ) from error
