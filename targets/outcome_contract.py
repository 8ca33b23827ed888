"""The contract of targets: the outcomes of jobs.

It is part of the package, like `targets.testing`: subclass `OutcomeContract` and provide the
fixture `bench`. Its jobs run scripts of a snapshot; the tests compare the data that the service
received with the actions of the scripts.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pytest

from dispatcher.core.runs.jobs import Evidence, State
from dispatcher.wire.jobs import Job, Rank, World
from targets.base import Target
from targets.testing import exited, has_ended, wait_until

LOG = "user_logs/std_log.txt"
LINES = 5000
SECONDS = 120.0

_TALK = f"""
import sys
for k in range({LINES}):
    print("out", k, flush=True)
    print("err", k, file=sys.stderr, flush=True)
sys.stdout.write("an unfinished line")
"""
_ENVIRONMENT = """
import json, os
print(json.dumps(dict(os.environ)))
"""
_FOLDER = """
import os
print(sorted(os.listdir(".")), open("data/part.txt").read(), open(__file__).read() != "")
open("data/part.txt", "a").write(" and more")
"""
_LEAVE = """
import os
for folder in ("outputs/deep", "logs", "results"):
    os.makedirs(folder, exist_ok=True)
open("outputs/model.bin", "wb").write(bytes(range(256)) * 8000)
open("outputs/deep/empty", "w").close()
open("logs/a.txt", "w").write("of logs")
open("results/b.txt", "w").write("of results")
"""
_HASH = """
import hashlib, os
digest = hashlib.sha256()
with open("data.bin", "rb") as file:
    while piece := file.read(1 << 20):
        digest.update(piece)
print(os.path.getsize("data.bin"), digest.hexdigest())
"""
_GREEDY = "held = []\nwhile True: held.append(bytearray(8 << 20))\n"
_SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(300)\n"


class OutcomeBench(Protocol):
    """A target under test, and the service that its jobs report to.

    Attributes:
        target: The target.
        gpus: Two device ids that jobs may be given.
        limits_memory: Whether a job's memory limit is enforced there.
    """

    target: Target
    gpus: Sequence[str]
    limits_memory: bool

    def new_job(self, **fields: Any) -> Job:
        """A job of a new run, on a node of the target."""

    def add_snapshot(self, files: Mapping[str, bytes]) -> str:
        """Have the service hold a snapshot; returns its id."""

    def log(self, job: Job, name: str) -> bytes:
        """The part of a log that the service received; empty without such a log."""

    def files(self, job: Job) -> Mapping[str, bytes]:
        """The files that the service received of a job, by name."""

    def devices(self, environment: Mapping[str, str]) -> Sequence[str]:
        """The ids of the devices that a process with this environment uses."""


class OutcomeContract:
    """The contract of targets. A subclass provides the fixture `bench`."""

    def test_stdout_and_stderr_arrive_whole_and_in_order(self, bench: OutcomeBench) -> None:
        job = self.script(bench, _TALK)
        assert self.run(bench, job).ok
        expected = "".join(f"out {k}\nerr {k}\n" for k in range(LINES)) + "an unfinished line"
        assert bench.log(job, LOG).decode() == expected

    def test_a_job_has_its_variables_and_none_of_the_agents_secrets(
        self, bench: OutcomeBench
    ) -> None:
        variables = {"PLAIN": "1", "WITH_SPACES": " a  b ", "UNICODE": "ü→", "EMPTY": ""}
        job = self.script(bench, _ENVIRONMENT, env=variables)
        environment = self.environment(bench, job)
        assert {name: environment.get(name) for name in variables} == variables
        assert environment["DISPATCHER_JOB"] == job.name
        assert "DISPATCHER_TOKEN" not in environment

    def test_a_job_works_in_a_copy_of_its_snapshot_that_is_its_own(
        self, bench: OutcomeBench
    ) -> None:
        files = {"main.py": _FOLDER.encode(), "data/part.txt": b"part"}
        snapshot = bench.add_snapshot(files)
        for _ in range(2):
            job = bench.new_job(script="main.py", snapshot=snapshot)
            assert self.run(bench, job).ok
            printed = bench.log(job, LOG).decode()
            assert printed == "['data', 'logs', 'main.py', 'outputs'] part True\n"

    def test_outputs_are_kept_and_watched_folders_are_followed(self, bench: OutcomeBench) -> None:
        job = self.script(bench, _LEAVE)
        assert self.run(bench, job).ok
        assert bench.files(job) == {
            "outputs/model.bin": bytes(range(256)) * 8000,
            "outputs/deep/empty": b"",
        }
        assert bench.log(job, "logs/a.txt") == b"of logs"
        assert bench.log(job, "results/b.txt") == b""

    def test_outputs_are_left_out_and_other_folders_watched_where_the_run_says_so(
        self, bench: OutcomeBench
    ) -> None:
        job = self.script(bench, _LEAVE, outputs=False, watch=("results",))
        assert self.run(bench, job).ok
        assert bench.files(job) == {}
        assert bench.log(job, "results/b.txt") == b"of results"
        assert bench.log(job, "logs/a.txt") == b""

    def test_a_job_uses_the_devices_that_it_was_given_and_no_others(
        self, bench: OutcomeBench
    ) -> None:
        first, second = bench.gpus
        for gpus in ((first,), (second,), (first, second)):
            job = self.script(bench, _ENVIRONMENT, gpus=gpus, ranks=(Rank(gpus=gpus),))
            assert tuple(bench.devices(self.environment(bench, job))) == gpus
        job = self.script(bench, _ENVIRONMENT, hide_gpus=True)
        assert tuple(bench.devices(self.environment(bench, job))) == ()

    def test_a_job_ends_at_its_time_limit(self, bench: OutcomeBench) -> None:
        evidence = self.run(bench, self.script(bench, _SLEEP, time_limit=1.0, grace=1.0))
        assert (evidence.reason, evidence.ok) == ("time limit", False)

    def test_a_job_beyond_its_memory_limit_is_out_of_memory(self, bench: OutcomeBench) -> None:
        if not bench.limits_memory:
            return  # the target does not limit memory, by its capacity
        evidence = self.run(bench, self.script(bench, _GREEDY, memory_mb=64))
        assert (evidence.oom, evidence.ok) == (True, False)

    @pytest.mark.parametrize("distribution", ["pytorch", "mpi", "tensorflow"])
    def test_the_ranks_of_two_nodes_on_one_host_know_each_other(
        self, bench: OutcomeBench, distribution: str
    ) -> None:
        ranks = tuple(Rank(2 * node + local, local, node) for node in (0, 1) for local in (0, 1))
        world = World(4, 2, distribution)
        job = self.script(bench, _ENVIRONMENT, ranks=ranks, world=world)
        assert self.run(bench, job).ok
        logs = [bench.log(job, f"user_logs/std_log_process_{rank}.txt") for rank in range(4)]
        environments = [json.loads(log) for log in logs]
        _check_ranks(distribution, environments)

    def test_a_failed_rank_ends_the_gang(self, bench: OutcomeBench) -> None:
        text = "import os, time\nif os.environ['RANK'] == '1': raise SystemExit(7)\ntime.sleep(300)"
        ranks = tuple(Rank(local, local, 0) for local in (0, 1))
        job = self.script(bench, text, ranks=ranks, world=World(2, 1, "pytorch"), grace=1.0)
        evidence = self.run(bench, job)
        assert (evidence.exit_code, evidence.failed_rank) == (7, 1)

    @pytest.mark.parametrize(
        "size",
        [0, 1, 5_000_000, pytest.param(300_000_000, marks=pytest.mark.slow)],
    )
    def test_a_snapshot_of_any_size_arrives_whole(self, bench: OutcomeBench, size: int) -> None:
        data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        snapshot = bench.add_snapshot({"main.py": _HASH.encode(), "data.bin": data})
        job = bench.new_job(script="main.py", snapshot=snapshot)
        assert self.run(bench, job).ok
        printed = bench.log(job, LOG).decode().split()
        assert printed == [str(size), hashlib.sha256(data).hexdigest()]

    def test_an_empty_script_completes_and_a_missing_one_is_named(
        self, bench: OutcomeBench
    ) -> None:
        job = self.script(bench, "")
        assert self.run(bench, job).ok
        evidence = self.run(bench, replace(self.script(bench, ""), script="missing.py"))
        assert evidence.exit_code is None
        assert "'missing.py'" in evidence.reason

    def test_a_name_that_is_launched_twice_runs_once(self, bench: OutcomeBench) -> None:
        job = self.script(bench, "print('started')")
        assert self.run(bench, job).ok
        assert not bench.target.launch([job, job])
        wait_until(bench.target, job.name, exited)
        assert bench.log(job, LOG) == b"started\n"

    def test_a_job_that_is_stopped_before_its_launch_runs_nothing(
        self, bench: OutcomeBench
    ) -> None:
        job = self.script(bench, "print('started')")
        bench.target.stop([job.name], grace=0)
        bench.target.launch([job])
        observation = wait_until(bench.target, job.name, has_ended)
        assert observation.started_at is None
        assert bench.log(job, LOG) == b""

    def script(self, bench: OutcomeBench, text: str, **fields: Any) -> Job:
        """A job that runs this Python script."""
        snapshot = bench.add_snapshot({"main.py": text.encode()})
        return bench.new_job(script="main.py", snapshot=snapshot, **fields)

    def run(self, bench: OutcomeBench, job: Job) -> Evidence:
        """Launch a job, and return its evidence once its end is reported."""
        failures = bench.target.launch([job])
        assert not failures, failures
        observation = wait_until(
            bench.target, job.name, lambda one: one.state is State.EXITED, seconds=SECONDS
        )
        assert observation.evidence is not None
        return observation.evidence

    def environment(self, bench: OutcomeBench, job: Job) -> Mapping[str, str]:
        """The variables that a job printed."""
        assert self.run(bench, job).ok
        variables: Mapping[str, str] = json.loads(bench.log(job, LOG))
        return variables


def _check_ranks(distribution: str, environments: Sequence[Mapping[str, str]]) -> None:
    if distribution == "mpi":
        names = ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")
        values = [[each[f"OMPI_COMM_WORLD_{name}"] for name in names] for each in environments]
        assert values == [
            ["0", "4", "0", "2"],
            ["1", "4", "1", "2"],
            ["2", "4", "0", "2"],
            ["3", "4", "1", "2"],
        ]
    elif distribution == "pytorch":
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK")
        assert [[each[name] for name in names] for each in environments] == [
            ["0", "4", "0", "0"],
            ["1", "4", "1", "0"],
            ["2", "4", "0", "1"],
            ["3", "4", "1", "1"],
        ]
        assert len({(each["MASTER_ADDR"], each["MASTER_PORT"]) for each in environments}) == 1
    else:
        configs = [json.loads(each["TF_CONFIG"]) for each in environments]
        assert [config["task"]["index"] for config in configs] == [0, 1, 2, 3]
        assert len({json.dumps(config["cluster"]) for config in configs}) == 1
        assert len(set(configs[0]["cluster"]["worker"])) == 4
