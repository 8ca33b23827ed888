"""Several ranks on one node: what each is told, and how they end together."""

import json
import signal
from typing import Any

import pytest

from tests.integration.agent.rig import Agent, job
from tests.rigs.processes import marked


def gang(name: str, count: int, distribution: object, **options: Any) -> dict[str, Any]:
    ranks = [
        {"rank": k, "local_rank": k, "node_rank": 0, "gpus": [str(k)], "env": {}}
        for k in range(count)
    ]
    world = {
        "size": count,
        "nodes": 1,
        "distribution": distribution,
        "master_addr": "127.0.0.1",
        "master_port": None,
    }
    return job(name, ranks=ranks, world=world, **options)


def told(agent: Agent, name: str, count: int) -> list[dict[str, str]]:
    """The environment of each rank."""
    lines = [agent.log(name, rank).splitlines() for rank in range(count)]
    return [dict(line.split("=", 1) for line in each if "=" in line) for each in lines]


@pytest.mark.parametrize("start", ["fresh", "fork"])
def test_one_rank_that_dies_ends_all(agent: Agent, tmp_path: Any, start: str) -> None:
    path = tmp_path / "rank.py"
    path.write_text(
        "import os, sys, time\nprint('rank', os.environ['RANK'])\n"
        "time.sleep(0.3)\nif os.environ['RANK'] == '2': sys.exit(9)\ntime.sleep(99)\n"
    )
    one = gang("gang-1", 4, "pytorch", script=str(path), start=start, grace=2)
    ended = agent.run(one)
    assert (ended["exit_code"], ended["failed_rank"], ended["reason"]) == (9, 2, "exited")
    assert {r["signal"] for r in ended["receipt"]} == {signal.SIGTERM}
    assert not marked(agent.mark("gang-1"))
    assert [agent.log("gang-1", rank) for rank in range(4)] == [f"rank {k}\n" for k in range(4)]


def test_all_well_is_zero(agent: Agent) -> None:
    ended = agent.run(gang("well-1", 3, "mpi", command="exit 0"))
    assert (ended["exit_code"], ended["failed_rank"]) == (0, None)


def test_pytorch(agent: Agent) -> None:
    agent.run(gang("torch-1", 2, "pytorch", command="env"))
    first, second = told(agent, "torch-1", 2)
    assert [e["RANK"] + e["LOCAL_RANK"] + e["WORLD_SIZE"] for e in (first, second)] == [
        "002",
        "112",
    ]
    assert first["MASTER_PORT"] == second["MASTER_PORT"]
    assert (first["MASTER_ADDR"], second["NODE_RANK"]) == ("127.0.0.1", "0")
    assert second["CUDA_VISIBLE_DEVICES"] == "1"


def test_mpi(agent: Agent) -> None:
    agent.run(gang("mpi-1", 2, "mpi", command="env"))
    second = told(agent, "mpi-1", 2)[1]
    names = ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")
    assert [second[f"OMPI_COMM_WORLD_{name}"] for name in names] == ["1", "2", "1", "2"]
    assert second["AZ_BATCH_MASTER_NODE"].startswith("127.0.0.1:")


def test_tensorflow(agent: Agent) -> None:
    kind = {"tensorflow": {"worker_count": 2, "parameter_server_count": 1}}
    agent.run(gang("tf-1", 3, kind, command="env"))
    configs = [json.loads(each["TF_CONFIG"]) for each in told(agent, "tf-1", 3)]
    assert [c["task"] for c in configs] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
        {"type": "ps", "index": 0},
    ]
    assert configs[0]["cluster"] == configs[2]["cluster"]
    hosts = [*configs[0]["cluster"]["worker"], *configs[0]["cluster"]["ps"]]
    assert len(set(hosts)) == 3
