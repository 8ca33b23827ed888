"""How many CPUs a local target says it has."""

import os
from pathlib import Path

import pytest

from dispatcher.agent.cpu_count import usable_cpus


@pytest.fixture(autouse=True)
def affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))


def groups(tmp_path: Path, own: str, **quotas: str) -> float:
    (tmp_path / "own").write_text(own)
    for path, text in quotas.items():
        file = tmp_path / "groups" / path.replace("__", "/").replace("cpu_max", "cpu.max")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return usable_cpus(str(tmp_path / "groups"), str(tmp_path / "own"))


def test_without_quotas_they_are_those_of_the_affinity(tmp_path: Path) -> None:
    assert groups(tmp_path, "0::/a/b\n", a__b__cpu_max="max 100000\n") == 8
    assert groups(tmp_path, "") == 8


def test_the_smallest_quota_of_all_groups_above_counts(tmp_path: Path) -> None:
    quotas = {"a__b__cpu_max": "500000 100000\n", "a__cpu_max": "250000 100000\n"}
    assert groups(tmp_path, "0::/a/b\n", **quotas) == 2.5


def test_in_a_container_the_group_may_be_mounted_as_the_root(tmp_path: Path) -> None:
    assert groups(tmp_path, "0::/../../docker/x\n", cpu_max="300000 100000\n") == 3


def test_there_is_always_one(tmp_path: Path) -> None:
    assert groups(tmp_path, "0::/\n", cpu_max="20000 100000\n") == 1


def test_quotas_of_version_1_count(tmp_path: Path) -> None:
    folder = tmp_path / "groups" / "cpu,cpuacct" / "a"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("400000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert groups(tmp_path, "4:cpu,cpuacct:/a\n3:memory:/a\n") == 4


def test_one_cpu_by_taskset_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    assert groups(tmp_path, "0::/\n", cpu_max="max 100000\n") == 1
