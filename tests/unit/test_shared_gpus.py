"""Targets that name the same GPU never give it out twice."""

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.agent.starting.device_locks import DeviceLocks
from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.core.scheduling.shared_gpus import sharing, without_gpus
from dispatcher.services.explaining import ExplainService
from dispatcher.store.sql import SqlStore
from targets.attaching import with_gpus
from targets.base import LaunchRefused
from targets.device_locks import file_name, lock_files
from targets.docker.gpu import offered
from targets.gpu_detection import DetectedGpu, detect_gpus
from tests.unit.installation import Installation, fakes

CONFIGS: dict[str, dict[str, Any]] = {
    "a": {"kind": "local", "gpus": ["0", "1"]},
    "b": {"kind": "local", "gpus": ["1"]},
    "boxes": {"kind": "docker", "docker_host": "unix:///run/docker.sock", "gpus": ["0"]},
    "cdi": {"kind": "docker", "docker_host": None, "gpus": ["nvidia.com/gpu=1"]},
    "far": {"kind": "docker", "docker_host": "tcp://far:2375", "gpus": ["0", "1"]},
    "far2": {"kind": "docker", "docker_host": "tcp://far:2375", "gpus": ["1"]},
    "plain": {"kind": "local", "gpus": []},
    "cluster": {"kind": "ray", "address": "far:6379"},
}


@pytest.mark.parametrize(
    ("target", "others"),
    [
        ("a", ["b", "boxes", "cdi"]),
        ("b", ["a", "cdi"]),
        ("boxes", ["a"]),
        ("far", ["far2"]),
        ("plain", []),
        ("cluster", []),
    ],
)
def test_targets_of_one_machine_that_name_one_gpu_share_it(target: str, others: list[str]) -> None:
    assert sharing(target, CONFIGS) == others


def test_what_others_use_is_not_free_whatever_it_is_called() -> None:
    capacity = Capacity((Node("n", 4, ("0", "nvidia.com/gpu=1", "2")),))

    assert without_gpus(capacity, {"1", "2"}).nodes[0].gpus == ("0",)


def test_the_locks_of_a_job_are_taken_all_or_none(tmp_path: Path) -> None:
    first, second, third = (lock_files([gpu], tmp_path)[0] for gpu in "012")
    one, other, last = (DeviceLocks(each) for each in ([first, second], [second, third], [third]))

    assert one.take()
    assert not other.take()
    assert last.take()  # the other one has kept none
    last.release()
    one.release()
    assert other.take()
    other.release()


def test_a_job_that_is_stopped_waits_no_longer(tmp_path: Path) -> None:
    path = lock_files(["0"], tmp_path)
    holder = DeviceLocks(path)
    assert holder.take()

    assert not DeviceLocks(path).wait(lambda: False)
    holder.release()


def test_any_user_may_lock_a_file_that_another_one_has_made(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        path = Path(lock_files(["GPU-1/2"], tmp_path)[0])
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    with path.open("rb") as reader:  # a reader may take it
        fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_link_in_place_of_a_lock_file_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / file_name("0")).symlink_to(tmp_path / "target")

    with pytest.raises(LaunchRefused, match=r"dispatcher-gpu-0\.lock"):
        lock_files(["0"], tmp_path)


@given(st.text(min_size=1, max_size=40))
def test_every_gpu_has_a_file_in_the_folder(gpu: str) -> None:
    assert "/" not in file_name(gpu)


def driver(folder: Path) -> Path:
    for address, uuid in (("0000:3b:00.0", "GPU-aa"), ("0000:86:00.0", "GPU-bb")):
        (folder / address).mkdir(parents=True)
        text = f"Model: \t\t NVIDIA A100\nIRQ:   \t\t 154\nGPU UUID: \t {uuid}\n"
        (folder / address / "information").write_text(text)
    return folder


def test_the_gpus_of_the_driver_are_numbered_by_their_address(tmp_path: Path) -> None:
    assert detect_gpus(driver(tmp_path)) == (
        DetectedGpu(0, "GPU-aa", "NVIDIA A100"),
        DetectedGpu(1, "GPU-bb", "NVIDIA A100"),
    )
    assert detect_gpus(tmp_path / "none") == ()


@pytest.mark.parametrize("name", ["1", "GPU-bb", "nvidia.com/gpu=1", "nvidia.com/gpu=GPU-bb"])
def test_one_gpu_has_one_file_by_whichever_name(tmp_path: Path, name: str) -> None:
    assert file_name(name, detect_gpus(driver(tmp_path))) == "dispatcher-gpu-GPU-bb.lock"


def test_a_target_that_names_no_gpus_gets_those_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detected = detect_gpus(driver(tmp_path))
    monkeypatch.setattr("targets.attaching.detect_gpus", lambda: detected)

    assert with_gpus({"kind": "local"})["gpus"] == ("0", "1")
    assert with_gpus({"kind": "local", "gpus": "all"})["gpus"] == ("0", "1")
    assert with_gpus({"kind": "local", "gpus": "none"})["gpus"] == ()
    assert with_gpus({"kind": "local", "gpus": "1"})["gpus"] == "1"
    assert "gpus" not in with_gpus({"kind": "ray", "address": "h:1"})


def test_all_gpus_of_a_machine_without_any_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.attaching.detect_gpus", lambda: ())

    with pytest.raises(InvalidSpec, match="none is detected on this machine"):
        with_gpus({"kind": "local", "gpus": "all"})


def test_an_engine_offers_the_gpus_that_it_can_give() -> None:
    found = [{"ID": f"nvidia.com/gpu={name}"} for name in ("all", "1", "0", "GPU-aa")]

    assert offered({"DiscoveredDevices": found}, ()) == ("0", "1")
    assert offered({"Runtimes": {"nvidia": {}}}, ("0",)) == ("0",)
    assert offered({"Runtimes": {"runc": {}}}, ("0",)) == ()


def test_a_run_is_placed_once_no_run_of_another_target_has_its_gpu(
    store: SqlStore, tmp_path: Path
) -> None:
    capacity = Capacity((Node("n", 4, ("0",)),))
    installation = Installation(store, fakes(g1=capacity, g2=capacity), str(tmp_path), time.time)
    for name in ("g1", "g2"):
        config = {"name": name, "kind": "local", "gpus": ["0"]}
        store.write(lambda tx, c=config: tx.registry.put_target(c["name"], c))  # type: ignore[misc]
    targets = installation.kinds.targets
    installation.start()
    try:
        installation.submit("a", target="g1", gpus=1)
        installation.until(lambda: targets["g1"].alive() == {"a-1"})
        other = installation.submit("b", "c", target="g2", gpus=1)
        installation.submit("d", target="g2", gpus=0)
        installation.until(lambda: targets["g2"].alive() == {"d-1"})
        assert installation.status_of("b") == "Queued"
        reason = ExplainService(store, installation.targets).explain(other[0])
        assert reason is not None
        assert "0 by a on g1" in reason
        targets["g1"].end("a-1", Evidence(exit_code=0, started_at=1.0, ended_at=2.0))
        installation.until(lambda: targets["g2"].alive() == {"b-1", "d-1"})
        assert installation.status_of("c") == "Queued"
    finally:
        installation.stop()
