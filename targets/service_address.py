"""The addresses and folders that a service gives to its targets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ServiceAddress:
    """Where the service is and where it keeps what its nodes need. Paths are on the service's
    machine.

    `root` holds one folder a target (job folders, snapshots, claims); `inheritances` what runs
    inherit from their submitters, by hash; `socket_dir` holds sockets,
    under short paths; `service_socket` lies alone in its folder, which containers are given;
    `service_url` is for far nodes;
    `job_umask` is what jobs on this machine start with, -1 for this process's own; `cache_limits`
    are the bytes of `snapshots` and `environments` that a node keeps.
    """

    service_id: str
    root: Path
    socket_dir: Path
    service_socket: Path
    service_url: str
    job_umask: int = -1
    inheritances: Path | None = None
    job_files: int | None = None  # the soft limit of open files of jobs on this machine
    cache_limits: Mapping[str, int | None] = field(default_factory=dict)
