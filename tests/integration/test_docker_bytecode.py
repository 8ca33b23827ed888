"""The agent is compiled once for each image, by nobody's run and in nobody's way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.agent.origin import PRIVATE_PACKAGE
from targets.docker.container_spec import BYTECODE, COMPILER_LABEL, RUNTIME
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path, real_agent=True)
    yield rig
    rig.target.close()


def compiled(rig: Rig) -> list[Path]:
    """The folders that are made for an image, whole ones and parts."""
    return [*(rig.state_folder / "runtime").glob("*-*")]


def whole(rig: Rig) -> list[Path]:
    return [path for path in compiled(rig) if "." not in path.name]


def compilers(rig: Rig) -> int:
    found = rig.engine.client.containers.list(
        all=True, ignore_removed=True, filters={"label": COMPILER_LABEL}
    )
    return len([c for c in found if rig.site.service_id in str(c.labels)])


def test_later_runs_find_bytecode_that_they_cannot_change(rig: Rig) -> None:
    assert evidence(rig.run(job("exit 0"))).ok
    until(lambda: whole(rig) and not compilers(rig), "it is compiled")

    one = job(f"touch {RUNTIME}/{BYTECODE}/x")
    assert "Read-only file system" in evidence(rig.run(one)).tail

    [folder] = whole(rig)
    mounts = {mount["Target"]: mount["Source"] for mount in rig.host_config(one)["Mounts"]}
    assert mounts[RUNTIME] == str(folder)
    assert [*(folder / BYTECODE).rglob("json/__init__.*.pyc")]
    assert [*(folder / BYTECODE).rglob(f"{PRIVATE_PACKAGE}/agent/starting/shim.*.pyc")]
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.rglob("*"))


def test_the_next_service_uses_it_and_tidies_up_what_was_cut_off(rig: Rig) -> None:
    rig.run(job("exit 0"))
    [folder] = until(lambda: whole(rig), "it is compiled")
    left = folder.with_name(f"{folder.name}.0123")
    left.mkdir()

    rig.restart_service()
    rig.run(job("exit 0"))

    until(lambda: compiled(rig) == [folder], "only what is whole is left")


def test_an_image_without_python_is_not_compiled_for_and_leaves_nothing(rig: Rig) -> None:
    api = rig.engine.client.api
    api.import_image_from_data(b"\0" * 1024, repository="test/bare", tag="2")

    assert "python3" in evidence(rig.run(job("exit 0", image="test/bare:2"))).reason

    until(lambda: not compilers(rig) and not compiled(rig), "nothing is left")
