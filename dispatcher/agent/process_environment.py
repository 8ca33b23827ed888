"""The environment variables and arguments of a job's processes."""

from __future__ import annotations

import json
import os
import re
import socket

from dispatcher.wire.proxy_exceptions import except_service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Sequence

    Job = Mapping[str, Any]
    Rank = Mapping[str, Any]

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_PRIVATE = ("DISPATCHER_", "AZUREML_")


def inherited(environ: Mapping[str, str], own_path: str) -> Dict[str, str]:
    """The agent's own environment as jobs may see it.

    Args:
        environ: The agent's environment.
        own_path: The path of the agent's code; jobs import it from the runtime folder instead.
    """
    variables = {k: v for k, v in environ.items() if not k.startswith(_PRIVATE)}
    entries = variables.pop("PYTHONPATH", "").split(os.pathsep)
    paths = [path for path in entries if path and os.path.abspath(path) != own_path]
    if paths:
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables


def environments(
    job: Job,
    base: Mapping[str, str],
    folder: str,
    runtime: Optional[str],
    interpreter: str = "",
) -> List[Dict[str, str]]:
    """The environment of each rank's process.

    Args:
        job: The job.
        base: The variables inherited from the agent; the job's own have priority.
        folder: The job's folder.
        runtime: The folder of the in-run code; it comes first on the import path. It is also told
            as DISPATCHER_RUNTIME, which an installation of this product puts on the import path of
            every interpreter (see `runtime_path`): a script may replace PYTHONPATH.
        interpreter: The path of the job's interpreter. If it is that of a virtual environment,
            `python` means the same for the job's commands, unless the job has a PATH of its own.
    """
    shared = _activated(base, interpreter)
    shared.update(job.get("env") or {})
    shared.setdefault("PYTHONUNBUFFERED", "1")
    shared["DISPATCHER_JOB"] = job["name"]
    shared["DISPATCHER_JOB_DIR"] = folder
    except_service(shared, shared.get("AZUREML_SERVICE_ENDPOINT", ""))
    _set_import_path(shared, job, base, folder, runtime)
    ranks = job.get("ranks") or [{}]
    world = _complete_world(job.get("world"), ranks)
    return [
        {**shared, **_of_rank(rank, world, ranks), **_devices(job, rank, len(ranks))}
        for rank in ranks
    ]


def _activated(base: Mapping[str, str], interpreter: str) -> Dict[str, str]:
    """The variables as after the activation of the interpreter's virtual environment."""
    variables = dict(base)
    binaries = os.path.dirname(interpreter)
    prefix = os.path.dirname(binaries)
    if binaries and os.path.isfile(os.path.join(prefix, "pyvenv.cfg")):
        rest = variables.get("PATH", os.defpath).split(os.pathsep)
        if rest[0] != binaries:
            variables["PATH"] = os.pathsep.join([binaries, *(p for p in rest if p != binaries)])
        variables["VIRTUAL_ENV"] = prefix
        variables.pop("PYTHONHOME", None)
    return variables


def _set_import_path(
    variables: Dict[str, str],
    job: Job,
    base: Mapping[str, str],
    folder: str,
    runtime: Optional[str],
) -> None:
    own, inherited_path = (job.get("env") or {}).get("PYTHONPATH"), base.get("PYTHONPATH")
    entries = [own, inherited_path]
    if os.path.dirname(job.get("script") or ""):  # v1: modules of the snapshot's root are there
        entries.insert(0, f"{folder}/work")
    if runtime:
        variables["DISPATCHER_RUNTIME"] = runtime
        entries.insert(0, runtime)
    # A folder whose name has a colon cannot be in PYTHONPATH.
    paths = [path for path in entries if path and (path in (own, inherited_path) or _fits(path))]
    if paths:
        variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


def _fits(path: str) -> bool:
    return os.pathsep not in path


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
    rank: Rank, world: Optional[Mapping[str, Any]], ranks: Sequence[Rank]
) -> Dict[str, str]:
    """The variables of a rank. Its own `env` has priority over the framework's."""
    variables = dict(rank.get("env") or {})
    if world is None:
        return variables
    kind = world.get("distribution")
    counts = kind.get("tensorflow") if isinstance(kind, dict) else None
    if kind == "mpi":
        return {**_mpi(rank, world, ranks), **variables}
    if kind == "tensorflow" or counts is not None:
        return {**_tensorflow(rank, world, counts or {}), **variables}
    return {**_pytorch(rank, world), **variables}


def _pytorch(rank: Rank, world: Mapping[str, Any]) -> Dict[str, str]:
    return {
        "RANK": str(rank["rank"]),
        "WORLD_SIZE": str(world["size"]),
        "LOCAL_RANK": str(rank["local_rank"]),
        "NODE_RANK": str(rank["node_rank"]),
        "MASTER_ADDR": str(world["master_addr"]),
        "MASTER_PORT": str(world["ports"][0]),
    }


def _mpi(rank: Rank, world: Mapping[str, Any], ranks: Sequence[Rank]) -> Dict[str, str]:
    """Open MPI's variables. Local are the ranks of the same node of the request.

    Two nodes of a request may share a machine; each has its own local ranks all the same.
    """
    address = str(world["master_addr"])
    local = [each for each in ranks if each.get("node_rank", 0) == rank["node_rank"]]
    return {
        "OMPI_COMM_WORLD_RANK": str(rank["rank"]),
        "OMPI_COMM_WORLD_SIZE": str(world["size"]),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank["local_rank"]),
        "OMPI_COMM_WORLD_LOCAL_SIZE": str(len(local)),
        "AZ_BATCH_MASTER_NODE": f"{address}:{world['ports'][0]}",
        "AZ_BATCHAI_MPI_MASTER_NODE": address,
    }


def _tensorflow(rank: Rank, world: Mapping[str, Any], counts: Mapping[str, Any]) -> Dict[str, str]:
    """TF_CONFIG: workers are the first ranks, parameter servers the last ones."""
    size = int(world["size"])
    workers = int(counts.get("worker_count") or size - int(counts.get("parameter_server_count", 0)))
    hosts = _hosts(world)
    addresses = [f"{hosts[number]}:{port}" for number, port in enumerate(world["ports"])]
    cluster = {"worker": addresses[:workers]}
    if size > workers:
        cluster["ps"] = addresses[workers:size]
    number = int(rank["rank"])
    role, index = ("worker", number) if number < workers else ("ps", number - workers)
    task = {"type": role, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})}


def _hosts(world: Mapping[str, Any]) -> List[str]:
    """The address of each rank. Ranks fill the nodes of the request one after the other."""
    size, hosts = int(world["size"]), world["hosts"]
    return [str(hosts[rank * len(hosts) // size]) for rank in range(size)]


def _complete_world(
    world: Optional[Mapping[str, Any]], ranks: Sequence[Rank]
) -> Optional[Dict[str, Any]]:
    """The world with a port for each rank: its own, counted up from the first one, or free ones."""
    if world is None:
        return None
    size = int(world.get("size") or len(ranks))
    first, ports = world.get("master_port"), list(world.get("ports") or ())
    if not ports:
        ports = [int(first) + k for k in range(size)] if first else _free_ports(size)
    address = world.get("master_addr") or "127.0.0.1"
    hosts = list(world.get("hosts") or [address])
    return {**world, "size": size, "master_addr": address, "ports": ports, "hosts": hosts}


def _free_ports(count: int) -> List[int]:
    """Ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
