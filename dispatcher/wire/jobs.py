"""A job as a target receives it and as it travels to node agents, and the one codec for both forms.

A job is one attempt of a run on one host. Its name, `<run id>-<attempt>` (further hosts of a gang:
`.<k>` after it), is its only handle. The encoded form is described in docs/protocol.md, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Tuple, Union

    Kind = Tuple[type, ...]


@dataclass(frozen=True)
class Rank:
    """One process of a job: its rank in the gang, and its devices."""

    rank: int = 0
    local_rank: int = 0
    node_rank: int = 0
    gpus: Tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """The whole gang, as each of its processes is told of it.

    `hosts` is the address of each node of the request, by node rank; without it all are at
    `master_addr`. `ports` is the port of each rank on its own host; without it the ports count up
    from `master_port`, and without that the only host picks free ones.
    """

    size: int
    nodes: int
    distribution: Union[str, Mapping[str, Any], None]
    master_addr: str = "127.0.0.1"
    master_port: Optional[int] = None
    hosts: Tuple[str, ...] = ()
    ports: Tuple[int, ...] = ()


@dataclass(frozen=True)
class Job:
    """Everything that a target needs to start one attempt of a run on one host.

    Times are in seconds, sizes in megabytes. `environment` is the recipe of what is built first,
    with its `key`. `inherits` is the hash of what a job on the submitter's machine inherits
    (`wire.inheritance`). `outputs` says whether the folder `outputs` is kept, `watch` names the
    folders whose files are followed as logs. A job with a `cpu_budget` is prefetched: it starts
    once the jobs of its node leave its `cpus` of the budget free. `device_locks` are the
    lock files of its GPUs, as it sees them; it starts once it holds their locks.
    """

    name: str
    run_id: str
    attempt: int
    script: Optional[str] = None
    command: Optional[str] = None
    arguments: Tuple[str, ...] = ()
    interpreter: str = "python"
    env: Mapping[str, str] = field(default_factory=dict)
    inherits: Optional[str] = None
    snapshot: Optional[str] = None
    ranks: Tuple[Rank, ...] = (Rank(),)
    world: Optional[World] = None
    node: str = ""
    gpus: Tuple[str, ...] = ()
    hide_gpus: bool = False
    cpus: float = 1
    memory_mb: Optional[int] = None
    shm_mb: Optional[int] = None
    time_limit: Optional[float] = None
    grace: float = 10
    start: str = "auto"
    preload: Tuple[str, ...] = ()
    image: Optional[str] = None
    docker_arguments: Tuple[str, ...] = ()
    environment: Optional[Mapping[str, Any]] = None
    outputs: bool = True
    watch: Tuple[str, ...] = ("logs",)
    cpu_budget: Optional[float] = None
    device_locks: Tuple[str, ...] = ()


def encode_job(job: Job) -> Dict[str, Any]:
    """The job as JSON-ready values. Tuples stay tuples; JSON writes them as lists."""
    ranks = [dict(vars(rank)) for rank in job.ranks]
    return {**vars(job), "ranks": ranks, "world": job.world and dict(vars(job.world))}


def decode_job(encoded: Mapping[str, Any]) -> Job:
    """Read a job. Absent fields have their defaults, unknown ones are those of a later version.

    Raises:
        ValueError: A field is missing or has a value of the wrong kind; the text names it.
    """
    values = _checked(encoded, _JOB_KINDS, "job")
    values["ranks"] = tuple(
        Rank(**_checked(rank, _RANK_KINDS, f"ranks[{position}]"))
        for position, rank in enumerate(values.get("ranks") or ({},))
    )
    world = values.get("world")
    if world is not None:
        values["world"] = World(**{"distribution": None, **_checked(world, _WORLD_KINDS, "world")})
    return Job(**values)


def _checked(encoded: Any, kinds: Mapping[str, Kind], place: str) -> Dict[str, Any]:
    """The known fields of an object, each of its kind, with lists as tuples."""
    if not isinstance(encoded, dict):
        raise ValueError(f"{place}: must be an object, got {encoded!r}")
    values = {}
    for name, kind in kinds.items():
        if name not in encoded:
            if name in _REQUIRED:
                raise ValueError(f"{place}.{name}: is required")
            continue
        value = encoded[name]
        # Python counts truth values among the integers.
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            expected = " or ".join(_WORDS[one] for one in kind if one is not tuple)
            raise ValueError(f"{place}.{name}: must be {expected}, got {value!r}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return values


_NONE = type(None)
_WORDS: Dict[type, str] = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    _NONE: "null",
}
_REQUIRED = frozenset({"name", "run_id", "attempt", "size", "nodes"})
_RANK_KINDS: Dict[str, Kind] = {
    "rank": (int,),
    "local_rank": (int,),
    "node_rank": (int,),
    "gpus": (list, tuple),
    "env": (dict,),
}
_WORLD_KINDS: Dict[str, Kind] = {
    "size": (int,),
    "nodes": (int,),
    "distribution": (str, dict, _NONE),
    "master_addr": (str,),
    "master_port": (int, _NONE),
    "hosts": (list, tuple),
    "ports": (list, tuple),
}
_JOB_KINDS: Dict[str, Kind] = {
    "name": (str,),
    "run_id": (str,),
    "attempt": (int,),
    "script": (str, _NONE),
    "command": (str, _NONE),
    "arguments": (list, tuple),
    "interpreter": (str,),
    "env": (dict,),
    "inherits": (str, _NONE),
    "snapshot": (str, _NONE),
    "ranks": (list, tuple),
    "world": (dict, _NONE),
    "node": (str,),
    "gpus": (list, tuple),
    "hide_gpus": (bool,),
    "cpus": (int, float),
    "memory_mb": (int, _NONE),
    "shm_mb": (int, _NONE),
    "time_limit": (int, float, _NONE),
    "grace": (int, float),
    "start": (str,),
    "preload": (list, tuple),
    "image": (str, _NONE),
    "docker_arguments": (list, tuple),
    "environment": (dict, _NONE),
    "outputs": (bool,),
    "watch": (list, tuple),
    "cpu_budget": (int, float, _NONE),
    "device_locks": (list, tuple),
}
