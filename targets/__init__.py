"""Compute targets: where jobs run. One protocol (`base.py`), a module or a package for each kind.

`build()` creates a target from its configuration and imports `docker` only for a Docker target. The
package uses `dispatcher.core`, `dispatcher.wire` and the node agent; it does not import the store
or the service.
"""

from targets.base import Target, TargetUnavailable
from targets.config import DockerConfig, LocalConfig, RayConfig
from targets.service_address import ServiceAddress


def build(
    config: LocalConfig | DockerConfig | RayConfig, site: ServiceAddress, agent_token: str
) -> Target:
    """Create the target of a configuration. Raises TargetUnavailable if its library is missing.

    `agent_token` is the token with which its agents call the service.
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
