"""What users wrote is text on every page; every page can be used by anybody, and by keys alone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.rigs.browser import Studio
from tests.rigs.desk import Desk
from tests.rigs.waiting import until

EVIL = "<img src=x onerror=\"window.hit='{0}'\"><script>window.hit='{0}'</script>"
WRITES_EVIL = f"""
import os, sys, time
from azureml.core import Run
run = Run.get_context()
def evil(where):
    return {EVIL!r}.format(where)
run.log(evil("metric"), 1.0)
run.tag(evil("tag")[:80], evil("tag"))
print(evil("log"), flush=True)
os.makedirs("outputs", exist_ok=True)
for name in ("page.html", "picture.svg", evil("file").replace("/", "")):
    with open(os.path.join("outputs", name), "w") as file:
        file.write(evil(name[:4]))
raise ValueError(evil("error"))
"""
PAGES = ("/", "/experiments/axe", "/runs", "/targets", "/submit")
TABS = ("overview", "metrics", "logs", "outputs", "snapshot", "events")
GOES_ON = "import time\nwhile True: time.sleep(0.05)\n"


@pytest.fixture(scope="module")
def evil_run(shared: Desk) -> str:
    """A run that has written script wherever it could."""
    run = shared.submit(shared.source("evil", main=WRITES_EVIL))
    run.wait_for_completion(raise_on_error=False)
    fields = {"display_name": EVIL.format("name"), "description": EVIL.format("description")}
    shared.workspace.service.patch(f"/runs/{run.id}", fields)
    return str(run.id)


def test_nothing_that_a_script_wrote_is_executed(studio: Studio, evil_run: str) -> None:
    page = studio.page
    shown = {
        "/": "Experiments",
        "/experiments/acceptance": "onerror",
        f"/runs/{evil_run}": "window.hit='description'",
        f"/runs/{evil_run}?tab=metrics": "window.hit='metric'",
        f"/runs/{evil_run}?tab=logs": "window.hit='log'",
        f"/runs/{evil_run}?tab=outputs&file=outputs%2Fpage.html": "window.hit='page'",
        f"/runs/{evil_run}?tab=outputs&file=outputs%2Fpicture.svg": "window.hit='pict'",
        f"/runs/{evil_run}?tab=snapshot": "def evil",
        f"/runs/{evil_run}?tab=events": "Exited",
        f"/submit?from={evil_run}": "Submit a run",
    }
    for path, text in shown.items():
        studio.open(path)
        expect(page.get_by_text(text).first).to_be_visible()
        assert page.evaluate("window.hit") is None, path
    studio.open(f"/runs/{evil_run}")
    for button in ("Rename", "Tags", "Delete"):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("window.hit") is None


def test_a_download_of_a_page_is_saved_and_not_shown(studio: Studio, evil_run: str) -> None:
    page = studio.open(f"/runs/{evil_run}?tab=outputs&file=outputs%2Fpage.html")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "page.html"
    assert "window.hit" in Path(download.value.path()).read_text()


def test_the_page_cannot_be_framed(studio: Studio) -> None:
    page = studio.page
    page.goto("about:blank")
    page.set_content(f'<iframe src="{studio.address}/"></iframe>')
    until(lambda: page.frames[-1].url.startswith("chrome-error:"), "the frame is refused")
    studio.errors.clear()  # the browser has told of the refusal


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390], ids=["wide", "narrow"])
def test_no_page_has_a_serious_fault_of_accessibility(
    studio: Studio, shared: Desk, evil_run: str, is_dark: bool, width: int
) -> None:
    spec = {"id": f"axe-{is_dark}-{width}", "experiment": "axe", "tags": {"a": "b"}}
    shared.workspace.service.post("/runs", {"runs": [{**spec, "interactive": True}]})
    page = studio.page
    page.emulate_media(color_scheme="dark" if is_dark else "light")
    page.set_viewport_size({"width": width, "height": 800})
    faults = {}
    for path in (*PAGES, *(f"/runs/{evil_run}?tab={tab}" for tab in TABS)):
        studio.open(path)
        expect(page.get_by_text("Loading …")).to_have_count(0)
        if found := studio.axe():
            faults[path] = found
    assert faults == {}


def test_a_planted_fault_of_accessibility_is_found(studio: Studio) -> None:
    page = studio.open("/")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [fault["rule"] for fault in studio.axe()] == ["button-name"]


def test_a_run_is_found_opened_and_cancelled_by_keys_alone(studio: Studio, shared: Desk) -> None:
    run = shared.submit(shared.source("keys", main=GOES_ON))
    until(lambda: shared.view(run.id)["status"] == "Running", "the run runs", timeout=60)
    page, keys = studio.page, studio.page.keyboard
    keys.press("g")
    keys.press("r")
    page.wait_for_url(re.compile("/runs$"))
    keys.press("/")
    keys.type(run.id)
    link = page.get_by_role("link", name=run.id)
    expect(page.get_by_text("1 run found")).to_be_visible()
    _tab_to(studio, link.get_attribute("href") or "")
    keys.press("Enter")
    page.wait_for_url(re.compile(f"/runs/{run.id}"))
    page.get_by_role("tab", name="Overview").focus()
    keys.press("ArrowRight")
    expect(page.get_by_role("tab", name="Metrics")).to_be_focused()
    page.get_by_role("button", name="Cancel", exact=True).focus()
    keys.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").focus()
    keys.press("Enter")
    expect(page.locator(".run-line .status")).to_have_text("Canceled")


def _tab_to(studio: Studio, href: str) -> None:
    """Press the tabulator until the link with this address has the focus."""
    for _ in range(60):
        studio.page.keyboard.press("Tab")
        if studio.page.evaluate("document.activeElement.getAttribute('href')") == href:
            return
    raise AssertionError(f"the tabulator does not reach the link to {href}")
