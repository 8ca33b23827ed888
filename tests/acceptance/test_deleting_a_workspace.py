"""A workspace is deleted with its data only once nothing of it is alive."""

import pytest

from dispatcher.cli import main
from dispatcher.client.errors import WorkspaceException
from tests.rigs.desk import Desk
from tests.rigs.terminal import command
from tests.rigs.waiting import until


def test_deleting_all_resources_first_ends_the_service_and_its_agents(own: Desk) -> None:
    source = own.source("quick", main="print('done')\n")
    own.submit(source).wait_for_completion()
    assert len(own.members()) >= 2, "the service and an agent"

    deleted = command(main.program(), "workspace", "delete", "-w", "desk", "--all-resources", "-y")

    assert (deleted.code, deleted.out) == (0, "desk is deleted\n")
    assert own.members() == []
    assert not own.data.exists()


def test_a_workspace_with_runs_that_have_not_ended_is_not_deleted(own: Desk) -> None:
    source = own.source("slow", main="import time\ntime.sleep(600)\n")
    run = own.submit(source)

    with pytest.raises(WorkspaceException, match=f"have not ended, such as {run.id}"):
        own.workspace.delete(delete_dependent_resources=True)

    assert run.get_status() not in ("Completed", "Failed", "Canceled")
    run.cancel()
    run.wait_for_completion(raise_on_error=False)
    own.workspace.delete(delete_dependent_resources=True)
    assert not own.data.exists()


def test_the_command_that_deletes_a_workspace_ends_its_runs_first(own: Desk) -> None:
    run = own.submit(own.source("slow", main="import time\ntime.sleep(600)\n"))
    until(lambda: run.get_status() == "Running", "the run runs")

    deleted = command(main.program(), "workspace", "delete", "-w", "desk", "--all-resources", "-y")

    assert (deleted.code, deleted.out) == (0, "desk is deleted\n")
    assert own.members() == []
    assert not own.data.exists()


def test_a_workspace_that_is_forgotten_keeps_its_data_and_nothing_of_it_runs(own: Desk) -> None:
    run = own.submit(own.source("slow", main="import time\ntime.sleep(600)\n"))
    until(lambda: run.get_status() == "Running", "the run runs")

    own.workspace.delete()

    assert own.members() == []
    assert (own.data / "dispatcher.db").exists()
    with pytest.raises(WorkspaceException, match="No workspace 'desk'"):
        type(own.workspace).get("desk")
