"""A script asks its run for its workspace and experiment, and gets those it was submitted to."""

from tests.rigs.desk import Desk

ASKS = """
from azureml.core import Run
run = Run.get_context()
workspace = run.experiment.workspace
run.set_tags({
    "workspace": workspace.name,
    "group": workspace.resource_group,
    "subscription": workspace.subscription_id,
    "experiment": run.experiment.name,
})
"""


def test_a_run_knows_its_workspace_and_experiment(shared: Desk) -> None:
    run = shared.submit(shared.source("asks", main=ASKS))
    run.wait_for_completion()

    here = shared.workspace
    assert run.get_tags() == {
        "workspace": here.name,
        "group": here.resource_group,
        "subscription": here.subscription_id,
        "experiment": shared.experiment.name,
    }
