"""What the processes of a job are told."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.agent.process_environment import environments, expanded, inherited


def job(**options: Any) -> dict[str, Any]:
    return {"name": "r-1", "env": {}, "ranks": [{"rank": 0}], **options}


def test_the_jobs_variables_win_over_the_agents_and_ours_over_the_jobs() -> None:
    base = {"PATH": "/bin", "A": "agent", "B": "agent"}
    own = {"A": "job", "DISPATCHER_JOB": "forged"}
    (told,) = environments(job(env=own), base, "/jobs/r-1", "/runtime")
    assert (told["A"], told["B"], told["PATH"]) == ("job", "agent", "/bin")
    assert (told["DISPATCHER_JOB"], told["DISPATCHER_JOB_DIR"]) == ("r-1", "/jobs/r-1")
    assert told["PYTHONUNBUFFERED"] == "1"


def test_the_runtime_comes_first_on_the_import_path() -> None:
    base, own = {"PYTHONPATH": "/agent"}, {"PYTHONPATH": "/job:/other"}
    (told,) = environments(job(env=own), base, "/f", "/runtime")
    assert told["PYTHONPATH"] == "/runtime:/job:/other:/agent"


def test_the_agent_keeps_its_secrets_and_its_own_import_path() -> None:
    environ = {"DISPATCHER_TOKEN": "s", "AZUREML_RUN_TOKEN": "s", "X": "1", "PYTHONPATH": "/a:/own"}
    assert inherited(environ, "/own") == {"X": "1", "PYTHONPATH": "/a"}


def test_devices_are_the_ledgers_word() -> None:
    own = {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    ranks = [{"rank": 0, "gpus": ["2"]}, {"rank": 1, "gpus": []}]
    told = environments(job(env=own, ranks=ranks, hide_gpus=True), {}, "/f", None)
    assert [each["CUDA_VISIBLE_DEVICES"] for each in told] == ["2", ""]


def test_a_rank_may_be_told_more_than_we_know() -> None:
    world = {"size": 2, "nodes": 2, "distribution": "pytorch", "master_port": 1234}
    world["master_addr"] = "host-a"
    rank = {"rank": 1, "local_rank": 0, "node_rank": 1, "env": {"NCCL_SOCKET_IFNAME": "eth0"}}
    (told,) = environments(job(world=world, ranks=[rank]), {}, "/f", None)
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
    assert [told[name] for name in names] == ["1", "2", "0", "1", "host-a", "1234"]
    assert told["NCCL_SOCKET_IFNAME"] == "eth0"


def test_tensorflow_over_hosts_counts_ports_up() -> None:
    kind = {"tensorflow": {"worker_count": 1, "parameter_server_count": 1}}
    world = {"size": 2, "distribution": kind, "master_addr": "h", "master_port": 2222}
    ranks = [{"rank": k, "local_rank": k, "node_rank": 0} for k in range(2)]
    told = environments(job(world=world, ranks=ranks), {}, "/f", None)
    assert json.loads(told[1]["TF_CONFIG"]) == {
        "cluster": {"worker": ["h:2222"], "ps": ["h:2223"]},
        "task": {"type": "ps", "index": 0},
        "environment": "cloud",
    }


def test_tensorflow_over_two_hosts_names_the_true_address_of_each_rank() -> None:
    world = {
        "size": 4,
        "nodes": 2,
        "distribution": "tensorflow",
        "master_addr": "host-a",
        "master_port": 7000,
        "hosts": ["host-a", "host-b"],
        "ports": [7000, 7001, 9000, 9001],
    }
    second = [{"rank": k, "local_rank": k - 2, "node_rank": 1} for k in (2, 3)]
    told = environments(job(world=world, ranks=second), {}, "/f", None)
    config = json.loads(told[1]["TF_CONFIG"])
    assert config["cluster"] == {
        "worker": ["host-a:7000", "host-a:7001", "host-b:9000", "host-b:9001"]
    }
    assert config["task"] == {"type": "worker", "index": 3}


def test_two_nodes_of_a_request_on_one_machine_have_their_own_local_ranks() -> None:
    world = {"size": 4, "nodes": 2, "distribution": "mpi", "master_port": 1234}
    ranks = [
        {"rank": 2 * node + local, "local_rank": local, "node_rank": node}
        for node in range(2)
        for local in range(2)
    ]
    told = environments(job(world=world, ranks=ranks), {}, "/f", None)
    names = ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")
    assert [[each[f"OMPI_COMM_WORLD_{name}"] for name in names] for each in told] == [
        ["0", "4", "0", "2"],
        ["1", "4", "1", "2"],
        ["2", "4", "0", "2"],
        ["3", "4", "1", "2"],
    ]


@given(st.lists(st.text()))
def test_arguments_without_known_names_stay_as_they_are(arguments: list[str]) -> None:
    assert expanded(arguments, {}) == arguments


def test_known_names_in_arguments_are_replaced_once() -> None:
    environment = {"A": "$B", "B": "2"}
    assert expanded(["$A", "x${B}y", "$C", "$", "${}"], environment) == [
        "$B", "x2y", "$C", "$", "${}",
    ]  # fmt: skip
