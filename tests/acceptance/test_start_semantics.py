"""A script cannot tell how and where it was started: the same cases, local and in Docker."""

from collections.abc import Iterator

import pytest

from tests.acceptance.scripts import check_case
from tests.integration.semantics_cases import CASES, Case
from tests.rigs.desk import Desk, desk
from tests.rigs.dockerd import IMAGE, Dockerd

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))


@pytest.fixture(scope="module")
def docked(tmp_path_factory: pytest.TempPathFactory, dockerd: Dockerd) -> Iterator[Desk]:
    """A desk with the targets `cold` and `warm`, on one engine."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        for name in ("cold", "warm"):
            options = {"network": "none", "cpus": 4, "warm": name == "warm"}
            config = {"kind": "docker", "docker_host": dockerd.url, "image": IMAGE, **options}
            assert made.attach(name, **config)["answers"]
        yield made


@pytest.mark.parametrize("method", ["fresh", "fork"])
@cases
def test_on_local(shared: Desk, case: Case, method: str) -> None:
    check_case(shared, case, "local", method)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cold", "warm"])
@cases
def test_in_docker(docked: Desk, case: Case, target: str) -> None:
    check_case(docked, case, target, "fork" if target == "warm" else "fresh")
