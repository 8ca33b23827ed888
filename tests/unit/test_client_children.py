"""Child runs, and runs that the client drives: created, ended by their block, named by keys."""

from __future__ import annotations

import pytest

from dispatcher import Experiment, ScriptRun, ScriptRunConfig
from dispatcher.client.errors import (
    ExperimentExecutionException,
    UserErrorException,
)
from tests.unit.fake_service import FakeService


def test_children_form_a_tree(experiment: Experiment, config: ScriptRunConfig) -> None:
    root = experiment.start_logging(snapshot_directory=None, outputs=False, name="root")
    middle = root.child_run("middle")
    leaf = middle.submit_child(config)

    assert middle.name == "root>middle"
    assert [run.id for run in root.get_children()] == [middle.id]
    assert {run.id for run in root.get_children(recursive=True)} == {middle.id, leaf.id}
    assert [type(run) for run in middle.get_children()] == [ScriptRun]
    assert leaf.parent == middle
    assert root.parent is None
    assert [run.id for run in experiment.get_runs()] == [root.id]


def test_a_batch_of_children_is_one_request_in_order(
    fake: FakeService, experiment: Experiment
) -> None:
    root = experiment.start_logging(snapshot_directory=None, outputs=False)
    before = fake.count("POST", "/runs")
    children = root.create_children(tag_key="fruit", tag_values=["apple", "fig"])

    assert fake.count("POST", "/runs") == before + 1
    assert [child.tags for child in children] == [{"fruit": "apple"}, {"fruit": "fig"}]
    assert {child.status for child in children} == {"Running"}
    numbered = root.create_children(count=2)
    assert [c.tags["azureml.batch_child_number"] for c in numbered] == ["0", "1"]


@pytest.mark.parametrize(
    "misuse",
    [
        {},
        {"count": 101},
        {"tag_key": "k"},
        {"tag_values": ["v"]},
        {"count": 1, "tag_key": "k", "tag_values": ["v"]},
        {"count": 1, "tag_key": "k"},
    ],
)
def test_create_children_takes_one_form_and_a_hundred(
    experiment: Experiment, misuse: dict[str, object]
) -> None:
    root = experiment.start_logging(snapshot_directory=None, outputs=False)

    with pytest.raises(UserErrorException):
        root.create_children(**misuse)  # type: ignore[arg-type]


def test_leaving_the_block_completes_or_fails_the_run(experiment: Experiment) -> None:
    with experiment.start_logging(snapshot_directory=None, outputs=False) as good:
        assert good.get_status() == "Running"
    assert good.get_status() == "Completed"

    bad = experiment.start_logging(snapshot_directory=None, outputs=False)
    with pytest.raises(ValueError, match="no luck"), bad:
        raise ValueError("no luck")
    error = bad.get_details()["error"]["error"]
    assert bad.get_status() == "Failed"
    assert error["code"] == "UserError"
    assert error["message"] == "User program failed with ValueError: no luck"

    with experiment.start_logging(snapshot_directory=None, outputs=False) as left:
        raise SystemExit(0)
    assert left.get_status() == "Completed"


def test_fail_takes_a_text_or_an_exception_and_nothing_else(experiment: Experiment) -> None:
    run = experiment.start_logging(snapshot_directory=None, outputs=False)

    with pytest.raises(TypeError):
        run.fail(17)
    assert run.get_status() == "Running"
    run.fail("because", error_code="Mine")
    assert run.get_details()["error"]["error"] == {"code": "Mine", "message": "because"}
    run.complete()
    assert run.get_status() == "Failed"


def test_a_key_names_a_child_durably(experiment: Experiment, config: ScriptRunConfig) -> None:
    root = experiment.start_logging(snapshot_directory=None, outputs=False)
    first = root.submit_child(config, key="apple")

    assert root.submit_child(config, key="apple").id == first.id
    assert root.submit_child(config, key="fig").id != first.id
    config.arguments = ["--other"]
    with pytest.raises(ExperimentExecutionException, match="apple"):
        root.submit_child(config, key="apple")
