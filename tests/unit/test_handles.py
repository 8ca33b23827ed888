"""Handles of workspaces, experiments and runs can be pickled, copied and used after a fork."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher import Experiment, ScriptRun, ScriptRunConfig
from dispatcher.client.api import heartbeat
from tests.rigs.waiting import until
from tests.unit.fake_server import serving
from tests.unit.fake_service import TOKEN, FakeService, script_in, workspace_of

Copy = Callable[[Any], Any]


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def experiment(fake: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setenv("DISPATCHER_TOKEN", TOKEN)
    return Experiment(workspace_of(fake, tmp_path), "fruit")


@pytest.fixture(params=["pickled", "deep-copied"])
def copied(request: pytest.FixtureRequest) -> Copy:
    if request.param == "pickled":
        return lambda handle: pickle.loads(pickle.dumps(handle))
    return copy.deepcopy


def test_a_copied_handle_reaches_the_service(
    fake: FakeService, experiment: Experiment, copied: Copy, tmp_path: Path
) -> None:
    config = ScriptRunConfig(str(script_in(tmp_path / "source")), "train.py")
    run = experiment.submit(config)

    workspace, same, twin = copied((experiment.workspace, experiment, run))

    assert (workspace.name, same.name, twin) == ("w", "fruit", run)
    assert isinstance(twin, ScriptRun)
    assert twin.get_status() == run.get_status()
    assert [each.id for each in same.get_runs()] == [run.id]
    assert TOKEN.encode() not in pickle.dumps(run)


def test_what_an_interactive_run_has_logged_is_sent_once_when_it_is_copied(
    experiment: Experiment, copied: Copy
) -> None:
    run = experiment.start_logging(outputs=False, snapshot_directory=None)
    run.log("a", 1)

    twin = copied(run)
    twin.log("a", 2)
    twin.flush()
    run.log("a", 3)

    assert sorted(run.get_metrics()["a"]) == [1, 2, 3]


def test_a_forked_process_logs_through_the_handle_of_its_parent(experiment: Experiment) -> None:
    run = experiment.start_logging(outputs=False, snapshot_directory=None)
    run.log("a", 1)  # may still wait when the child is forked
    child = os.fork()
    if child == 0:
        try:
            run.log("a", 2)
        finally:
            os._exit(0)  # as children of multiprocessing end: without any notice
    os.waitpid(child, 0)
    run.log("a", 3)

    assert sorted(run.get_metrics()["a"]) == [1, 2, 3]


def test_a_process_sends_heartbeats_for_the_runs_that_it_drives(
    fake: FakeService, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)
    run = experiment.start_logging(outputs=False, snapshot_directory=None)
    child = run.child_run("child")
    until(lambda: fake.heartbeats >= {run.id, child.id}, "the service has heard of both", 10)

    child.complete()
    run.complete()
    own = experiment.workspace.service.heartbeat
    until(lambda: own._thread is None, "the thread has ended", 10)
