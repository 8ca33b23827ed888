"""What every test may ask for. A rig starts when first used, and lives for the session.

`make test` runs two processes side by side, because tests mostly wait. A rig is started in one of
them: the modules that need it are a group. Each other module is a group of its own.
"""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.rigs.dockerd import IMAGE, Dockerd, host_python_image
from tests.rigs.postgres import Postgres
from tests.rigs.raycluster import RayCluster

MARKER_OF = {
    "dockerd": "docker",
    "dockerd_gpu": "docker",
    "ray_cluster": "ray",
    "postgres": "postgresql",
}
# The first that a module needs is its group; `place` needs the cluster for some of its params.
GROUP_OF = {"ray_cluster": "ray", "place": "ray", "dockerd_gpu": "docker", "dockerd": "docker"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the rigs it uses, so that `-m "not ray"` needs no upkeep."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKER_OF:
                item.add_marker(MARKER_OF[fixture])
    _group(items)


def _group(items: list[pytest.Item]) -> None:
    needed: dict[str, set[str]] = defaultdict(set)
    for item in items:
        needed[item.location[0]].update(getattr(item, "fixturenames", ()))
    for item in items:
        file = item.location[0]
        rigs = [group for fixture, group in GROUP_OF.items() if fixture in needed[file]]
        item.add_marker(pytest.mark.xdist_group(rigs[0] if rigs else file))


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Dockerd]:
    """An engine without GPU support that has the image `test/py:1`."""
    yield from _engine(gpu=False)


@pytest.fixture(scope="session")
def dockerd_gpu() -> Iterator[Dockerd]:
    """An engine that has the GPU device driver, and the image `test/py:1`."""
    yield from _engine(gpu=True)


@pytest.fixture(scope="session")
def one_ray_cluster() -> Iterator[RayCluster]:
    cluster = RayCluster(nodes=2)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def ray_cluster(one_ray_cluster: RayCluster) -> RayCluster:
    """A head and two nodes of four logical GPUs and four CPUs each, with nothing on them."""
    one_ray_cluster.clear()
    return one_ray_cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; `postgres.url()` makes a fresh database."""
    server = Postgres()
    yield server
    server.stop()


def _engine(gpu: bool) -> Iterator[Dockerd]:
    engine = Dockerd(gpu=gpu)
    try:
        host_python_image(engine.client, IMAGE)
        yield engine
    finally:
        engine.stop()
