"""`dispatcher studio`: the link that it gives, and where that link can be seen."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.rigs.desk import Desk


def command(desk: Desk, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `dispatcher studio` in the desk's folder."""
    return subprocess.run(
        [sys.executable, "-m", "dispatcher.cli.main", "studio", *words],
        cwd=desk.folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_printed_link_opens_the_page_of_a_run(one_chromium: Browser, shared: Desk) -> None:
    spec = {"id": "linked", "experiment": "links", "interactive": True}
    shared.workspace.service.post("/runs", {"runs": [spec]})
    done = command(shared, "linked", "--no-browser")
    assert done.returncode == 0, done.stderr
    assert "valid once" in done.stderr
    page = one_chromium.new_context().new_page()
    page.goto(done.stdout.strip())
    expect(page.get_by_role("heading", level=1)).to_have_text("linked")
    page.context.close()


def test_the_browser_gets_a_private_file_and_no_link_in_its_arguments(
    shared: Desk, tmp_path: Path
) -> None:
    called, browser = tmp_path / "called", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {called}\n')
    browser.chmod(0o700)
    done = command(shared, BROWSER=f"{browser} %s")
    assert done.returncode == 0, done.stderr
    assert "sign-in" not in done.stdout + done.stderr + called.read_text()
    opened = Path(called.read_text().strip().removeprefix("file://"))
    assert "#sign-in=" in opened.read_text()
    assert stat.S_IMODE(opened.stat().st_mode) == 0o600


def test_a_run_that_is_not_there_is_named(shared: Desk) -> None:
    done = command(shared, "absent", "--no-browser")
    assert done.returncode != 0
    assert "absent" in done.stderr
