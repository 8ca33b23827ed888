"""Every studio step of the document, in a real browser on a live service with real runs."""

import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from dispatcher.client.api.stopping import stop_service
from dispatcher.client.v1.runs.run import Run
from tests.rigs.browser import Studio
from tests.rigs.desk import Desk
from tests.rigs.waiting import until

# It goes on until a file is there, and says how far it is.
WAITS = """
import os, sys, time
from azureml.core import Run
run = Run.get_context()
print("waiting for", sys.argv[1], flush=True)
run.log("level", 1.5)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
print("\\x1b[31mfound it\\x1b[0m", flush=True)
run.log("level", 2.5)
os.makedirs("outputs", exist_ok=True)
with open("outputs/report.txt", "w") as file:
    file.write("all is well")
"""
PARENT = """
import os, sys, time
from azureml.core import Run, ScriptRunConfig
run = Run.get_context()
for k in range(2):
    run.submit_child(ScriptRunConfig(".", "child.py"))
while True:
    time.sleep(0.05)
"""
CHILD = "import time\nwhile True: time.sleep(0.05)\n"


# How many pixels of the chart are all but black; no colour of either scheme is.
BLACK_PIXELS = """() => {
    const canvas = document.querySelector(".chart canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let k = 0; k < data.length; k += 4) {
        if (data[k + 3] > 200 && data[k] + data[k + 1] + data[k + 2] < 30) count += 1;
    }
    return count;
}"""


def waiting_run(desk: Desk, gate: Path, name: str = "waits", **config: object) -> Run:
    """A run that goes on until the gate is a file; it runs when this returns."""
    run = desk.submit(desk.source(name, main=WAITS), str(gate), **config)
    until(lambda: desk.view(run.id)["status"] == "Running", "the run runs", timeout=60)
    return run


def test_a_link_signs_in_once_and_leaves_no_code_in_the_address(
    studio: Studio, shared: Desk
) -> None:
    assert studio.page.url == f"{studio.address}/"
    fragment = shared.workspace.service.post("/studio/links")["fragment"]
    page = studio.new_page()
    page.goto(f"{studio.address}/#{fragment}")
    expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
    assert "sign-in" not in page.evaluate("location.href + JSON.stringify(history.state)")
    studio.context.clear_cookies()
    page.goto(f"{studio.address}/?again#{fragment}")
    expect(page.get_by_role("alert")).to_contain_text("the link was used")


def test_a_run_is_submitted_with_the_default_target_and_followed_to_its_end(
    studio: Studio, shared: Desk, tmp_path: Path
) -> None:
    script, gate = tmp_path / "train.py", tmp_path / "gate"
    script.write_text(WAITS)
    page = studio.open("/submit")
    page.get_by_label("Compute target").select_option("cpu")
    page.get_by_role("button", name="Make it the default").click()

    page = studio.open("/submit")
    expect(page.get_by_label("Compute target")).to_have_value("cpu")
    page.get_by_label("Experiment").fill("from-the-page")
    page.get_by_label("Script and the files beside it").set_input_files(script)
    expect(page.get_by_label("Script", exact=True)).to_have_value("train.py")
    page.get_by_label("Arguments").fill(f"'{gate}'")
    page.get_by_role("button", name="Submit", exact=True).click()

    page.wait_for_url(re.compile("/runs/from-the-page_"))
    expect(page.locator(".run-line .status")).to_have_text("Running")
    run_id = page.url.rpartition("/")[2]
    assert shared.view(run_id)["target"] == "cpu"
    gate.touch()
    expect(page.locator(".run-line .status")).to_have_text("Completed")  # without a reload
    page.get_by_role("tab", name="Outputs").click()
    page.get_by_role("button", name="report.txt").click()
    expect(page.get_by_label("outputs/report.txt")).to_have_text("all is well")
    page.get_by_role("tab", name="Snapshot").click()
    expect(page.get_by_label("train.py", exact=True)).to_contain_text("Run.get_context()")


def test_experiments_show_active_targets_and_durations_as_they_change(
    studio: Studio, shared: Desk, tmp_path: Path
) -> None:
    waiting_run(shared, tmp_path / "gate", "active")
    page = studio.open("/")
    line = page.get_by_role("row").filter(has=page.get_by_role("link", name="acceptance"))
    expect(line).to_contain_text("1 running")
    expect(line).to_contain_text("local 1")
    before = line.locator(".figure").last.inner_text()
    expect(line.locator(".figure").last).not_to_have_text(before)  # it counts on
    (tmp_path / "gate").touch()
    expect(line).not_to_contain_text("running")
    expect(line).to_contain_text("Completed")


def test_the_web_view_of_a_submission_leads_to_the_run_and_its_logs_grow(
    studio: Studio, shared: Desk, tmp_path: Path
) -> None:
    run = waiting_run(shared, tmp_path / "gate", "logs")
    page = studio.page
    page.goto(run.get_portal_url())
    expect(page.get_by_role("heading", level=1)).to_have_text(run.id)
    page.get_by_role("tab", name="Logs").click()
    log = page.get_by_role("log")
    expect(log).to_contain_text("waiting for")
    expect(log).not_to_contain_text("found it")
    (tmp_path / "gate").touch()
    expect(log.locator(".ansi-red")).to_have_text("found it")
    page.get_by_label("Search this log").fill("FOUND")
    expect(page.get_by_text("1 lines")).to_be_visible()
    expect(page.get_by_text("complete", exact=True)).to_be_visible()


def test_charts_of_a_live_run_grow(studio: Studio, shared: Desk, tmp_path: Path) -> None:
    run = waiting_run(shared, tmp_path / "gate", "charts")
    page = studio.open(f"/runs/{run.id}?tab=metrics")
    chart = page.get_by_role("figure").filter(has_text="level")
    expect(chart.locator("b")).to_have_text("1.5000")
    (tmp_path / "gate").touch()
    expect(chart.locator("b")).to_have_text("2.5000")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_has_the_colours_of_the_scheme(
    studio: Studio, shared: Desk, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    (tmp_path / "gate").touch()
    run = shared.submit(shared.source("colours", main=WAITS), str(tmp_path / "gate"))
    run.wait_for_completion()
    page = studio.page
    page.emulate_media(color_scheme=scheme)
    studio.open(f"/runs/{run.id}?tab=metrics")
    expect(page.locator(".chart canvas")).to_be_visible()
    dark_pixels = page.evaluate(BLACK_PIXELS)
    assert dark_pixels == 0


def test_a_tree_is_cancelled_from_the_tool_bar(studio: Studio, shared: Desk) -> None:
    run = shared.submit(shared.source("tree", main=PARENT, child=CHILD))
    until(lambda: shared.view(run.id)["children"]["total"] == 2, "two children", timeout=60)
    page = studio.open(f"/runs/{run.id}")
    expect(page.get_by_label("Runs below").get_by_role("listitem")).to_have_count(2)
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 active runs below it")
    dialog.get_by_role("button", name="Cancel the run").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".run-line .status")).to_have_text("Canceled")
    expect(page.get_by_label("Runs below")).to_contain_text("2 Canceled")


def test_runs_are_found_by_tag_experiment_name_and_submitter(studio: Studio, shared: Desk) -> None:
    submit = shared.workspace.service.post
    specs = [
        {"id": "walnut", "experiment": "nuts", "display_name": "Big walnut"},
        {"id": "hazel", "experiment": "nuts", "tags": {"size": "small"}},
        {"id": "cherry", "experiment": "fruits", "tags": {"size": "small"}},
        {"id": "shell", "experiment": "nuts", "parent_id": "walnut", "tags": {"size": "tiny"}},
    ]
    for spec in specs:
        submit("/runs", {"runs": [{"interactive": True, **spec}]})
    by = shared.view("walnut")["submitted_by"]

    page = studio.open("/experiments/nuts")
    expect(page.get_by_text("2 runs without a parent")).to_be_visible()
    page.get_by_role("button", name="Children of Big walnut").click()
    expect(page.get_by_role("link", name="shell")).to_be_visible()
    page.get_by_role("textbox", name="Tag").fill("size=small")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 run found")).to_be_visible()
    expect(page.get_by_role("link", name="hazel")).to_be_visible()

    page = studio.open("/runs?tag=size%3Dsmall")  # a link shows what its sender saw
    expect(page.get_by_text("2 runs found")).to_be_visible()
    page.get_by_role("textbox", name="Experiment").fill("fruits")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 run found")).to_be_visible()
    expect(page.get_by_role("link", name="cherry")).to_be_visible()

    page = studio.open("/runs")
    page.get_by_role("searchbox").fill("big WAL")
    expect(page.get_by_text("1 run found")).to_be_visible()
    expect(page.get_by_role("link", name="Big walnut")).to_be_visible()
    page.get_by_role("textbox", name="Submitter").fill("somebody else")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No run fits these filters.")).to_be_visible()
    page.get_by_role("textbox", name="Submitter").fill(by)
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 run found")).to_be_visible()


def test_a_run_is_renamed_tagged_and_deleted_from_its_page(studio: Studio, shared: Desk) -> None:
    spec = {"id": "changed", "experiment": "changes", "interactive": True, "tags": {"old": "1"}}
    shared.workspace.service.post("/runs", {"runs": [spec]})
    shared.workspace.service.post("/runs/changed/events", {"type": "complete"})
    page = studio.open("/runs/changed")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name").fill("A better name")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A better name")

    page.get_by_role("button", name="Tags").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Remove old").click()
    dialog.get_by_role("button", name="Add a tag").click()
    dialog.get_by_label("Key 1").fill("best")
    dialog.get_by_label("Value 1").fill("yes")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="Tags")).to_contain_text("best yes")
    assert shared.view("changed")["tags"] == {"best": "yes"}

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile("/experiments/changes$"))
    expect(page.get_by_text("No run here yet.")).to_be_visible()


def test_compute_targets_show_what_runs_where(studio: Studio, shared: Desk, tmp_path: Path) -> None:
    run = waiting_run(shared, tmp_path / "gate", "where")
    page = studio.open("/targets")
    local = page.get_by_role("region", name="local")
    expect(local).to_contain_text("Answers")
    expect(local.get_by_role("link", name=run.id)).to_be_visible()
    (tmp_path / "gate").touch()
    expect(local.get_by_role("link", name=run.id)).to_have_count(0)


def test_a_run_that_waits_says_why(studio: Studio, shared: Desk, tmp_path: Path) -> None:
    shared.attach("narrow", kind="local", cpus=1)
    first = waiting_run(shared, tmp_path / "gate", "first", target="narrow")
    second = shared.submit(
        shared.source("second", main=WAITS), str(tmp_path / "gate"), target="narrow"
    )
    third = shared.submit(
        shared.source("third", main=WAITS), str(tmp_path / "gate"), target="narrow"
    )
    page = studio.open(f"/runs/{third.id}")
    expect(page.get_by_text("Why it waits")).to_be_visible()
    (tmp_path / "gate").touch()
    expect(page.locator(".run-line .status")).to_have_text("Completed")
    assert {shared.view(run.id)["status"] for run in (first, second)} == {"Completed"}


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_page_goes_on_when_its_service_is_started_again(
    studio: Studio, shared: Desk, kill: bool
) -> None:
    name = f"across-{kill}"
    page = studio.open(f"/experiments/{name}")
    expect(page.get_by_text("No run here yet.")).to_be_visible()
    if kill:
        shared.kill_service()
    else:
        stop_service(str(shared.data))
    expect(page.get_by_text("Reconnecting …")).to_be_visible()
    spec = {"id": name, "experiment": name, "interactive": True}
    shared.workspace.service.post("/runs", {"runs": [spec]})  # it starts the service again
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=name)).to_be_visible()
