"""From a job to the arguments with which its container is created. Pure.

Every container is hardened in the same way: no capabilities, no new privileges, bounded processes
and memory, and write access to its own folders and layers only. Secrets are in files of these
folders, never in the container's environment or command line, which `docker inspect` shows. The
only tokens among them are those of runs.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from dispatcher.agent import relay
from dispatcher.agent.origin import PRIVATE_PACKAGE
from dispatcher.agent.starting.single_job import CODE
from dispatcher.wire.jobs import Job
from targets.base import LaunchRefused
from targets.config import DockerConfig

SERVICE_LABEL = "dispatcher.service"
RUN_LABEL = "dispatcher.run"
ATTEMPT_LABEL = "dispatcher.attempt"
POOL_LABEL = "dispatcher.warm"
COMPILER_LABEL = "dispatcher.compiler"

ROOT = "/dispatcher-root"
RUNTIME = "/dispatcher-runtime"
SERVICE = "/dispatcher-service"
DEVICES = "/dispatcher-devices"  # the lock files of the job's GPUs
SOCKET_VARIABLE = "DISPATCHER_SERVICE_SOCKET"
# The shim needs no installed packages, so site-packages are not searched.
PYTHON = ["python3", "-S", "-s"]
BYTECODE = ".bytecode"
CACHED = ["-X", f"pycache_prefix={RUNTIME}/{BYTECODE}"]
COMPILER = (
    f"import subprocess, sys; line = [sys.executable, '-S', '-s', '-X', '{CACHED[1]}', '-c']\n"
    f"subprocess.check_call([*line, 'import {PRIVATE_PACKAGE}.agent.starting.single_job'])\n"
    "subprocess.call([sys.executable, '-m', 'compileall', '-q', '-f',\n"
    f"    '--invalidation-mode', 'unchecked-hash', '{RUNTIME}/{PRIVATE_PACKAGE}',\n"
    f"    '{RUNTIME}/azureml'])\n"
)
POOL_COMMAND = ["python3", "-m", f"{PRIVATE_PACKAGE}.agent", "serve", "--root", ROOT]

NOBODY = 65534
SHARED_MEMORY_MB = 2048  # Azure ML's own default; the engine's 64 MB breaks data loaders
NO_FOLDER = (
    "user: this service may not give a folder to {}:{}; leave the target's user out, or run the "
    "service as root"
)
# Arguments that change only the container. Devices, mounts, networks, privileges and namespaces
# are decided by the target, or by fields of the run (gpus, memory_mb, cpus).
ALLOWED_ARGUMENTS = ("--shm-size", "--ulimit", "--hostname", "--env", "--add-host", "--tmpfs")
_SHORT = {"-e": "--env", "-h": "--hostname"}


@dataclass(frozen=True)
class ContainerMounts:
    """What the service mounts into the containers of one target."""

    service_id: str
    state: Path  # a folder of the target's own
    runtime: Path  # the folder that the agent runs from
    socket: Path  # the service's Unix socket, the only file of its folder
    url: str = ""  # where the service listens


def owner(config: DockerConfig) -> tuple[int, int]:
    """The user and group of containers; never root unless the configuration says so."""
    if config.user is not None:
        user, _, group = config.user.partition(":")
        return int(user), int(group or user)
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    return NOBODY, NOBODY


def inside(job: Job, socket: Path) -> Job:
    """The job as its container sees it: devices are numbered from 0, the socket is mounted.

    It inherits nothing of the submitter: its image is its environment.
    """
    number = {gpu: str(position) for position, gpu in enumerate(job.gpus)}
    ranks = tuple(
        replace(rank, gpus=tuple(number[gpu] for gpu in rank.gpus if gpu in number))
        for rank in job.ranks
    )
    env, gpus = dict(job.env), tuple(number.values())
    if SOCKET_VARIABLE in env:
        env[SOCKET_VARIABLE] = f"{SERVICE}/{socket.name}"
    locks = tuple(f"{DEVICES}/{position}" for position in range(len(job.device_locks)))
    return replace(
        job,
        gpus=gpus,
        ranks=ranks,
        env=env,
        inherits=None,
        image=None,
        docker_arguments=(),
        device_locks=locks,
    )


def labels(job: Job, mounts: ContainerMounts) -> dict[str, str]:
    """The labels that identify the containers of this service."""
    return {
        SERVICE_LABEL: mounts.service_id,
        RUN_LABEL: job.run_id,
        ATTEMPT_LABEL: str(job.attempt),
    }


def container(
    job: Job, config: DockerConfig, mounts: ContainerMounts, *, compiled: bool = False
) -> dict[str, Any]:
    """The arguments of `create_container` without the host's part.

    `compiled` is whether the runtime has bytecode for the image.
    """
    chosen = dict(_arguments(job))
    shim = [*PYTHON, *(CACHED if compiled else ()), "-c", CODE, ROOT]
    return {
        "image": job.image or config.image,
        # Not as a command, which an image's own entry point would receive as arguments.
        "entrypoint": [*shim, f"{ROOT}/jobs/{job.name}/job.json"],
        "name": job.name,
        "user": "{}:{}".format(*owner(config)),
        "working_dir": RUNTIME,
        "hostname": chosen.get("--hostname"),
        "labels": labels(job, mounts),
        "environment": {**_variables(job), **_environment(config, mounts, gpus=bool(job.gpus))},
    }


def host(
    job: Job, config: DockerConfig, mounts: ContainerMounts, gpus: DeviceRequest | None, cpus: float
) -> dict[str, Any]:
    """The arguments of `create_host_config`. `cpus` is what the engine has, a job's maximum."""
    chosen = dict(_arguments(job))
    memory = f"{job.memory_mb}m" if job.memory_mb else None
    return {
        **_hardened(config),
        "mem_limit": memory,
        "memswap_limit": memory,  # the same as the memory limit, so no swap
        "nano_cpus": int(max(0.01, min(job.cpus, cpus)) * 1e9) if job.cpus else None,
        "shm_size": chosen.get("--shm-size", f"{job.shm_mb or SHARED_MEMORY_MB}m"),
        "ulimits": [_ulimit(text) for option, text in _arguments(job) if option == "--ulimit"],
        "extra_hosts": [text for option, text in _arguments(job) if option == "--add-host"] or None,
        "tmpfs": [text for option, text in _arguments(job) if option == "--tmpfs"] or None,
        "device_requests": [gpus] if gpus else None,
        "mounts": list(_binds(job, mounts)),
    }


def is_poolable(job: Job, config: DockerConfig) -> bool:
    """Whether the job may share a pool container: a script without limits and devices."""
    asks = (job.memory_mb, job.shm_mb, job.gpus, job.docker_arguments, job.command)
    is_script = bool(job.script) and job.interpreter in ("python", "python3")
    return config.warm and is_script and not any(asks) and job.start != "fresh"


def pool_key(job: Job, config: DockerConfig) -> str:
    """A hash of what jobs must have in common to share a container."""
    shared = (job.image or config.image, owner(config), config.network, job.preload)
    limits = (config.memory_mb, config.pids_limit, config.docker_host)
    return hashlib.sha256(json.dumps([shared, limits]).encode()).hexdigest()[:12]


def pool_container(
    name: str, job: Job, config: DockerConfig, mounts: ContainerMounts
) -> dict[str, Any]:
    """The arguments of `create_container` for the pool container of such jobs."""
    return {
        "image": job.image or config.image,
        "entrypoint": POOL_COMMAND,
        "name": name,
        "user": "{}:{}".format(*owner(config)),
        "working_dir": RUNTIME,
        "labels": {SERVICE_LABEL: mounts.service_id, POOL_LABEL: config.name},
        "environment": _environment(config, mounts, gpus=False),
    }


def compiler(
    name: str, image: str, runtime: Path, config: DockerConfig, mounts: ContainerMounts
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of `create_container` and `create_host_config` for a compiling container."""
    whole = {
        "image": image,
        "entrypoint": ["python3", "-c", COMPILER],
        "name": name,
        "user": "{}:{}".format(*owner(config)),
        "working_dir": RUNTIME,
        "labels": dict([compilers(config, mounts).split("=")]),
    }
    binds = [Mount(RUNTIME, str(runtime), type="bind")]
    return whole, {**_hardened(config), "network_mode": "none", "mounts": binds}


def compilers(config: DockerConfig, mounts: ContainerMounts) -> str:
    """The label of this target's compiling containers."""
    return f"{COMPILER_LABEL}={mounts.service_id}-{config.name}"


def pool_host(folder: Path, config: DockerConfig, mounts: ContainerMounts) -> dict[str, Any]:
    """The arguments of `create_host_config` for a pool container: the target's own limits."""
    memory = f"{config.memory_mb}m" if config.memory_mb else None
    snapshots = str(mounts.state / "snapshots")
    binds = [
        Mount(ROOT, str(folder), type="bind"),
        Mount(f"{ROOT}/snapshots", snapshots, type="bind", read_only=True),
        *_shared_binds(mounts),
    ]
    shm = f"{SHARED_MEMORY_MB}m"
    limits = {"mem_limit": memory, "memswap_limit": memory, "shm_size": shm}
    return {**_hardened(config), **limits, "mounts": binds}


def _hardened(config: DockerConfig) -> dict[str, Any]:
    return {
        "init": True,
        "network_mode": config.network,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": config.pids_limit,
        # The agent's own output; a job's output goes to files of its folder.
        "log_config": LogConfig(type="json-file", config={"max-size": "1m", "max-file": "1"}),
    }


def _environment(config: DockerConfig, mounts: ContainerMounts, *, gpus: bool) -> dict[str, str]:
    env = {"PYTHONUNBUFFERED": "1"}
    address = urlsplit(mounts.url)
    if address.hostname == "127.0.0.1" and config.network != "host":
        env[relay.VARIABLE] = f"{address.port}:{SERVICE}/{mounts.socket.name}"
    if not gpus:
        # An image may request all devices by this variable; a device request overrides it.
        env["NVIDIA_VISIBLE_DEVICES"] = "void"
    if owner(config)[0] != 0:
        env["HOME"] = ROOT  # libraries write caches into the home, which user `nobody` lacks
    return env


def _binds(job: Job, mounts: ContainerMounts) -> Iterator[Mount]:
    state, name = mounts.state, job.name
    yield Mount(ROOT, str(state / "boxes" / name), type="bind")
    yield Mount(f"{ROOT}/jobs/{name}", str(state / "jobs" / name), type="bind")
    if job.snapshot:
        snapshot = str(state / "snapshots" / job.snapshot)
        yield Mount(f"{ROOT}/snapshots/{job.snapshot}", snapshot, type="bind", read_only=True)
    for position, lock in enumerate(job.device_locks):
        yield Mount(f"{DEVICES}/{position}", lock, type="bind", read_only=True)
    yield from _shared_binds(mounts)


def _shared_binds(mounts: ContainerMounts) -> Iterator[Mount]:
    yield Mount(RUNTIME, str(mounts.runtime), type="bind", read_only=True)
    # The folder of the socket, because a restarted service creates a new socket in it.
    yield Mount(SERVICE, str(mounts.socket.parent), type="bind", read_only=True)


def _arguments(job: Job) -> Iterator[tuple[str, str]]:
    """The run's extra Docker arguments as pairs. Raises LaunchRefused for others."""
    log_tail: list[str] = []
    for argument in job.docker_arguments:
        log_tail += argument.split("=", 1) if argument.startswith("--") else [argument]
    for argument, value in zip(log_tail[::2], [*log_tail[1::2], ""], strict=False):
        option = _SHORT.get(argument, argument)
        if option not in ALLOWED_ARGUMENTS:
            allowed = ", ".join(ALLOWED_ARGUMENTS)
            raise LaunchRefused(f"docker argument {option!r} is not allowed; these are: {allowed}")
        if not value:
            raise LaunchRefused(f"docker argument {option!r} needs a value")
        yield option, value


def _variables(job: Job) -> dict[str, str]:
    """The variables of `--env NAME=VALUE`. Without a value Docker would take the service's own."""
    pairs = [text.partition("=") for option, text in _arguments(job) if option == "--env"]
    for name, sign, _ in pairs:
        if not sign:
            raise LaunchRefused(f"docker argument --env {name!r}: give NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _ulimit(text: str) -> Ulimit:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return Ulimit(name=name, soft=int(soft), hard=int(hard or soft))
    except ValueError as error:
        raise LaunchRefused(f"docker argument --ulimit {text!r}: {error}") from error
