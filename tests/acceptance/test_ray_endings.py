"""Every end gets the right verdict on Ray, fresh and forked; scripts behave there as anywhere."""

from collections.abc import Iterator

import pytest

from tests.acceptance.endings import ENDINGS, Ending
from tests.acceptance.scripts import check_case
from tests.acceptance.test_cancel import STUBBORN
from tests.acceptance.verdicts import check_ending
from tests.integration.semantics_cases import CASES, Case
from tests.rigs import processes
from tests.rigs.desk import Desk, desk
from tests.rigs.raycluster import RayCluster
from tests.rigs.waiting import until


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory, ray_cluster: RayCluster) -> Iterator[Desk]:
    """A desk with the target `cluster`."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        made.attach_answering(
            "cluster",
            kind="ray",
            address=ray_cluster.address,
            node_ip_address=ray_cluster.head.address,
            token=ray_cluster.token,
            default_gpus=0,
        )
        yield made


@pytest.mark.parametrize("method", ["fresh", "fork"])
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_an_end_gets_the_right_verdict(on_ray: Desk, ending: Ending, method: str) -> None:
    check_ending(on_ray, ending, "cluster", method)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fresh", "fork"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_a_script_runs_and_ends_as_anywhere(on_ray: Desk, case: Case, method: str) -> None:
    check_case(on_ray, case, "cluster", method)


@pytest.mark.parametrize("method", ["fresh", "fork"])
def test_after_a_cancel_nothing_of_a_stubborn_script_is_alive(
    on_ray: Desk, tmp_path_factory: pytest.TempPathFactory, method: str
) -> None:
    folder = tmp_path_factory.mktemp("pids")
    source = on_ray.source("stubborn", main=STUBBORN)
    run = on_ray.submit(source, folder, target="cluster", grace_seconds=1, start_method=method)
    until(lambda: len(list(folder.iterdir())) == 3, "the family is there")
    family = [int(path.name) for path in folder.iterdir()]
    run.cancel()
    run.wait_for_completion(timeout=30)
    assert run.get_status() == "Canceled"
    assert not any(map(processes.alive, family))
