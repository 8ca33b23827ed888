"""A desk for a module, and one of its own for tests that kill or stop things."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rigs.desk import Desk, desk
from tests.rigs.dockerd import IMAGE, Dockerd
from tests.rigs.programs import Place
from tests.rigs.raycluster import RayCluster

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from playwright.sync_api import Browser

    from tests.rigs.browser import Studio


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that the tests of a module share."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk of the test's own."""
    with desk(tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture(scope="module")
def one_chromium() -> "Iterator[Browser]":
    """A browser without a page; it takes a second to start."""
    from tests.rigs.browser import chromium  # playwright: few modules need it

    with chromium() as browser:
        yield browser


@pytest.fixture
def studio(one_chromium: "Browser", shared: Desk) -> "Iterator[Studio]":
    """A fresh browser, signed in at the studio of the shared desk."""
    from tests.rigs.browser import studio as opened

    with opened(one_chromium, shared) as made:
        yield made


@pytest.fixture(scope="module")
def docked(tmp_path_factory: pytest.TempPathFactory, dockerd: Dockerd) -> Iterator[Desk]:
    """A desk with the targets `cold` and `warm`, on one engine."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        for name in ("cold", "warm"):
            told = made.attach(
                name,
                kind="docker",
                docker_host=dockerd.url,
                image=IMAGE,
                network="none",
                cpus=4,
                warm=name == "warm",
            )
            assert told["answers"], told
        yield made


@pytest.fixture(scope="module")
def far(
    tmp_path_factory: pytest.TempPathFactory, dockerd: Dockerd, ray_cluster: RayCluster
) -> Iterator[Desk]:
    """A desk with the targets `box`, on Docker, and `cluster`, on Ray. Its runs in containers may
    submit to `local`, as programs of v1 do.
    """
    with desk(tmp_path_factory.mktemp("desk")) as made:
        made.attach("local", kind="local", accepts="any-run")
        told = made.attach(
            "box", kind="docker", docker_host=dockerd.url, image=IMAGE, network="none", cpus=4
        )
        assert told["answers"], told
        told = made.attach(
            "cluster",
            kind="ray",
            address=ray_cluster.address,
            node_ip_address=ray_cluster.head.address,
            token=ray_cluster.token,
        )
        assert told["answers"], told
        yield made


@pytest.fixture(params=["local", "box", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """A folder of the program's own, beside a workspace that has this target."""
    made: Desk = request.getfixturevalue("shared" if request.param == "local" else "far")
    folder = made.folder / request.node.name.replace("[", "-").rstrip("]")
    folder.mkdir()
    return Place(folder, request.param)


@pytest.fixture
def folder(shared: Desk, request: pytest.FixtureRequest) -> Path:
    """A folder of the program's own, below the workspace's."""
    made = shared.folder / request.node.name
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def client(shared: Desk) -> "Iterator[MlflowClient]":
    """MLflow's client at the desk, told where the service is as docs/mlflow.md says."""
    import mlflow  # takes seconds, and few modules need it

    before = os.environ.pop("MLFLOW_TRACKING_TOKEN", None)
    uri = shared.workspace.get_mlflow_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient(uri)
    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_TRACKING_TOKEN", None)
    if before is not None:
        os.environ["MLFLOW_TRACKING_TOKEN"] = before
