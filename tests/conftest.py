"""What every test may ask for. A rig starts when first used, and lives for the session.

`make test` runs two processes side by side, because tests mostly wait. A rig is started in one of
them: the modules that need it stay together (`Together`).
"""

import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from targets.device_locks import VARIABLE
from tests.rigs.dockerd import IMAGE, Dockerd, host_python_image
from tests.rigs.postgres import Postgres
from tests.rigs.raycluster import RayCluster

MARKER_OF = {
    "dockerd": "docker",
    "dockerd_gpu": "docker",
    "ray_cluster": "ray",
    "postgres": "postgresql",
}
# By what is said in a module: which rig it needs. A wrong guess costs a second rig, no more.
RIGS = {
    "ray": re.compile(r"\bray_cluster\b|\bplace: Place\b|\bfar: Desk\b|\bRayCluster\b"),
    "docker": re.compile(r"\bdockerd(_gpu)?\b|\bdocked: Desk\b|\bdocker_jobs\b"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the rigs it uses, so that `-m "not ray"` needs no upkeep."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKER_OF:
                item.add_marker(MARKER_OF[fixture])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """How `pytest -n 2` shares out: `--dist loadgroup` does not understand this pytest."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        """The modules that need the same rig, as one; each other module by itself."""

        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file not in groups:
                text = (config.rootpath / file).read_text()
                groups[file] = next((rig for rig, said in RIGS.items() if said.search(text)), file)
            return groups[file]

    groups: dict[str, str] = {}
    return Together(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape what is not Unicode: a report travels to another process, and must not end the run."""
    return _encodable((yield))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_encodable, value))
    return value


@pytest.fixture(scope="session", autouse=True)
def gpu_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests that run side by side do not share the GPUs of this machine, which are made up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("gpu-locks")))
        yield


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
