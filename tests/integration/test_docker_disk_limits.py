"""A Docker target stays within its limits of disk, and loses nothing that is in use."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import ImageNotFound

from dispatcher.agent.cache_limits import tree_size
from targets.docker.container_spec import SERVICE_LABEL, ContainerMounts
from targets.docker.disk_limits import DiskLimits
from targets.docker.engine import DockerEngine
from targets.docker.images import KEPT_SECONDS, LABEL, EnvironmentImages
from targets.docker.snapshots import ContainerSnapshots
from tests.integration.docker_jobs import Rig, job, make_rig
from tests.rigs.dockerd import IMAGE, Dockerd

SIZE = 3_000_000


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path)
    yield rig
    rig.target.close()


@pytest.fixture
def images(rig: Rig) -> Iterator[EnvironmentImages]:
    state = rig.state_folder
    mounts = ContainerMounts("s", state, state, rig.site.service_socket, rig.site.service_url)
    engine = DockerEngine(rig.engine.url)
    made = EnvironmentImages(rig.config, engine, mounts)
    yield made
    made.close()
    engine.close()


def an_image(rig: Rig, name: str) -> str:
    """An image of an environment with a layer of SIZE bytes; its tag."""
    api, tag = rig.engine.client.api, f"dispatcher-env:{name}"
    made = api.create_container(IMAGE, command=["sh", "-c", f"head -c {SIZE} /dev/urandom >/f"])
    api.start(made["Id"])
    assert api.wait(made["Id"])["StatusCode"] == 0
    api.commit(made["Id"], *tag.split(":"), changes=[f"LABEL {LABEL}={name}"])
    api.remove_container(made["Id"])
    return tag


def is_there(rig: Rig, tag: str) -> bool:
    try:
        rig.engine.client.api.inspect_image(tag)
    except ImageNotFound:
        return False
    return True


def test_images_go_by_their_last_use_and_those_in_use_stay(
    rig: Rig, images: EnvironmentImages
) -> None:
    tags = [an_image(rig, name) for name in ("contained", "old", "used-again", "new")]
    contained, old, again, new = tags
    holder = rig.engine.client.api.create_container(contained, command=["true"])
    later = time.time() + KEPT_SECONDS + 10
    try:
        images.evict(0, time.time())
        assert all(is_there(rig, tag) for tag in tags)  # all were used within a day

        rig.engine.client.api.tag(again, *again.split(":"))  # as `has` does after an hour
        images.evict(int(3.5 * SIZE), later)
        assert [is_there(rig, tag) for tag in tags] == [True, False, True, True]

        images.evict(0, later)
        assert [is_there(rig, tag) for tag in (contained, again, new)] == [True, False, False]
        assert is_there(rig, IMAGE)  # it is nobody's environment
        assert not images.has(old)
    finally:
        rig.engine.client.api.remove_container(holder["Id"])
        rig.engine.client.api.remove_image(contained)


def a_snapshot(folder: Path, letter: str, age: float) -> str:
    """A snapshot of one file of SIZE bytes that was used `age` seconds ago; its id."""
    content = letter.encode() * SIZE
    files = [["f", 0o644, SIZE, hashlib.sha256(content).hexdigest()]]
    manifest = {"files": files}
    text = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()
    (folder / name).mkdir(parents=True)
    (folder / name / "f").write_bytes(content)
    record = folder / f"{name}.json"
    record.write_text(text)
    os.utime(record, (time.time() - age, time.time() - age))
    return name


def test_snapshots_go_by_their_last_use_and_those_of_containers_stay(
    rig: Rig, images: EnvironmentImages
) -> None:
    folder = rig.state_folder / "snapshots"
    day = 86_400.0
    running, queued, old, recent = (
        a_snapshot(folder, letter, age)
        for letter, age in (("a", 9 * day), ("b", 8 * day), ("c", 7 * day), ("d", 60))
    )
    one = job("cat f | head -c 3; sleep 60", snapshot=running)
    assert rig.target.launch([one]) == {}
    rig.alive(one)
    os.utime(folder / f"{running}.json", (1, 1))
    waiting = rig.state_folder / "warm" / "c" / "jobs" / "j"
    waiting.mkdir(parents=True)
    (waiting / "job.json").write_text(json.dumps({"snapshot": queued}))
    snapshots = ContainerSnapshots(folder, {})
    label = f"{SERVICE_LABEL}={rig.site.service_id}"
    engine = DockerEngine(rig.engine.url)
    limits = DiskLimits({"snapshots": 0}, rig.state_folder, engine, label, snapshots, images)
    try:
        limits.apply(time.time())
    finally:
        engine.close()
        snapshots.close()
        rig.stop(one)

    left = {path.name for path in folder.iterdir() if path.is_dir()}
    assert left == {running, queued, recent}
    assert not (folder / f"{old}.json").exists()
    assert tree_size(str(rig.state_folder / "trash")) == 0
