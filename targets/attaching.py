"""The GPUs of a target that is being attached: typed, detected, or none."""

from collections.abc import Mapping
from typing import Any

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.scheduling.shared_gpus import LOCAL_SOCKET
from targets.base import TargetUnavailable
from targets.gpu_detection import detect_gpus

ALL, NONE = "all", "none"
ENGINE_SECONDS = 10.0


def with_gpus(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its GPUs by id.

    Args:
        config: A target's. Its `gpus` are ids; "all" or left out takes those that are detected;
            "none" takes none.

    Raises:
        InvalidSpec: All GPUs are wanted, and none is detected.
    """
    kind, wanted = config.get("kind"), config.get("gpus")
    if kind not in ("local", "docker") or wanted not in (None, ALL, NONE):
        return dict(config)
    if wanted == NONE:
        return {**config, "gpus": ()}
    gpus = _local() if kind == "local" else _of_engine(config.get("docker_host"))
    if wanted == ALL and not gpus:
        where = "this machine" if kind == "local" else "the Docker engine"
        raise InvalidSpec(f"gpus: none is detected on {where}; give their ids, such as 0,1")
    return {**config, "gpus": gpus}


def _local() -> tuple[str, ...]:
    return tuple(str(gpu.index) for gpu in detect_gpus())


def _of_engine(docker_host: object) -> tuple[str, ...]:
    """Those that the engine offers; none if it does not answer, or has no support for GPUs."""
    try:
        from targets.docker.engine import DockerEngine
        from targets.docker.gpu import offered
    except ImportError:
        return ()
    engine = DockerEngine(str(docker_host) if docker_host else None, ENGINE_SECONDS)
    try:
        return offered(engine.info(), _local() if engine.url.startswith(LOCAL_SOCKET) else ())
    except TargetUnavailable:
        return ()
