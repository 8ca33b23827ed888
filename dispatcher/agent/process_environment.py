"""What the processes of a job get as environment and arguments."""

from __future__ import annotations

import json
import os
import re
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional

    Job = Mapping[str, Any]

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_PRIVATE = ("DISPATCHER_", "AZUREML_")


def inherited(environ: Mapping[str, str], own_path: str) -> Dict[str, str]:
    """The agent's own environment as jobs may see it.

    Args:
        environ: The agent's environment.
        own_path: Where the agent's code was imported from: jobs get it from the runtime folder.
    """
    kept = {k: v for k, v in environ.items() if not k.startswith(_PRIVATE)}
    known = kept.pop("PYTHONPATH", "").split(os.pathsep)
    paths = [path for path in known if path and os.path.abspath(path) != own_path]
    if paths:
        kept["PYTHONPATH"] = os.pathsep.join(paths)
    return kept


def environments(
    job: Job, base: Mapping[str, str], folder: str, runtime: Optional[str]
) -> List[Dict[str, str]]:
    """The environment of each rank's process.

    Args:
        job: The job.
        base: What is inherited from the agent; the job's own variables win over it.
        folder: The job's folder.
        runtime: The folder that in-run code is imported from; it comes first.
    """
    shared = dict(base)
    shared.update(job.get("env") or {})
    shared.setdefault("PYTHONUNBUFFERED", "1")
    shared["DISPATCHER_JOB"] = job["name"]
    shared["DISPATCHER_JOB_DIR"] = folder
    own = (job.get("env") or {}).get("PYTHONPATH"), base.get("PYTHONPATH")
    paths = [path for path in (runtime, *own) if path]
    if paths:
        shared["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    ranks = job.get("ranks") or [{}]
    world = _placed(job.get("world"), len(ranks))
    return [
        {**shared, **_of_rank(rank, world, len(ranks)), **_devices(job, rank, len(ranks))}
        for rank in ranks
    ]


def expanded(arguments: List[str], environment: Mapping[str, str]) -> List[str]:
    """The arguments with `$NAME` and `${NAME}` replaced where the environment has that name."""
    return [
        _VARIABLE.sub(lambda m: environment.get(m[1] or m[2], m[0]), text) if "$" in text else text
        for text in arguments
    ]


def _devices(job: Job, rank: Mapping[str, Any], ranks: int) -> Dict[str, str]:
    gpus = rank.get("gpus") or (job.get("gpus") if ranks == 1 else None)
    if gpus:
        return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))}
    return {"CUDA_VISIBLE_DEVICES": ""} if job.get("hide_gpus") else {}


def _of_rank(
    rank: Mapping[str, Any], world: Optional[Mapping[str, Any]], here: int
) -> Dict[str, str]:
    told = dict(rank.get("env") or {})
    if world is None:
        return told
    kind = world.get("distribution")
    workers = kind.get("tensorflow") if isinstance(kind, dict) else None
    if kind == "mpi":
        return {**_mpi(rank, world, here), **told}
    if kind == "tensorflow" or workers is not None:
        return {**_tensorflow(rank, world, workers or {}), **told}
    return {**_pytorch(rank, world), **told}


def _pytorch(rank: Mapping[str, Any], world: Mapping[str, Any]) -> Dict[str, str]:
    return {
        "RANK": str(rank["rank"]),
        "WORLD_SIZE": str(world["size"]),
        "LOCAL_RANK": str(rank["local_rank"]),
        "NODE_RANK": str(rank["node_rank"]),
        "MASTER_ADDR": str(world["master_addr"]),
        "MASTER_PORT": str(world["ports"][0]),
    }


def _mpi(rank: Mapping[str, Any], world: Mapping[str, Any], here: int) -> Dict[str, str]:
    address = str(world["master_addr"])
    return {
        "OMPI_COMM_WORLD_RANK": str(rank["rank"]),
        "OMPI_COMM_WORLD_SIZE": str(world["size"]),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank["local_rank"]),
        "OMPI_COMM_WORLD_LOCAL_SIZE": str(here),
        "AZ_BATCH_MASTER_NODE": f"{address}:{world['ports'][0]}",
        "AZ_BATCHAI_MPI_MASTER_NODE": address,
    }


def _tensorflow(
    rank: Mapping[str, Any], world: Mapping[str, Any], counts: Mapping[str, Any]
) -> Dict[str, str]:
    """TF_CONFIG: workers are the first ranks, parameter servers the last ones."""
    size = int(world["size"])
    workers = int(counts.get("worker_count") or size - int(counts.get("parameter_server_count", 0)))
    hosts = [f"{world['master_addr']}:{port}" for port in world["ports"]]
    cluster = {"worker": hosts[:workers]}
    if size > workers:
        cluster["ps"] = hosts[workers:size]
    number = int(rank["rank"])
    role, index = ("worker", number) if number < workers else ("ps", number - workers)
    task = {"type": role, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})}


def _placed(world: Optional[Mapping[str, Any]], here: int) -> Optional[Dict[str, Any]]:
    """The world with a port for each rank: counted up from the given one, or free ones."""
    if world is None:
        return None
    size = int(world.get("size") or here)
    first = world.get("master_port")
    ports = [int(first) + k for k in range(size)] if first else _free_ports(size)
    address = world.get("master_addr") or "127.0.0.1"
    return {**world, "size": size, "master_addr": address, "ports": ports}


def _free_ports(count: int) -> List[int]:
    """Ports that are free now; taken all at once, so that they differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
