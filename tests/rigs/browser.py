"""Headless Chromium, signed in at the studio of a desk by a one-time link, as a user is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.rigs import missing
from tests.rigs.desk import Desk

AXE = Path(__file__).resolve().parents[2] / "dispatcher/studio/node_modules/axe-core/axe.min.js"
PATIENCE_MS = 60_000  # the machine of the tests is busy
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


class Studio:
    """A browser that is signed in.

    `errors` are uncaught errors and refusals of the content security policy, `outside` the requests
    to other servers than the service; both must stay empty.
    """

    def __init__(self, context: BrowserContext, desk: Desk) -> None:
        self.context, self.desk = context, desk
        self.errors: list[str] = []
        self.outside: list[str] = []
        context.set_default_timeout(PATIENCE_MS)
        self.page = self.new_page()

    @property
    def address(self) -> str:
        return str(self.desk.workspace.service.address.url)

    def new_page(self) -> Page:
        """A further tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._console(message.text))
        page.on("request", lambda request: self._request(request.url))
        page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        return page

    def sign_in(self, path: str = "/") -> None:
        """Open the studio by a link."""
        fragment = self.desk.workspace.service.post("/studio/links")["fragment"]
        self.page.goto(f"{self.address}{path}#{fragment}")
        expect(self.page.get_by_text("Live", exact=True)).to_be_visible()

    def open(self, path: str) -> Page:
        """Go to an address of the studio."""
        self.page.goto(f"{self.address}{path}")
        expect(self.page.get_by_text("Live", exact=True)).to_be_visible()
        return self.page

    def axe(self) -> list[dict[str, Any]]:
        """The serious and critical faults that axe-core finds on the page."""
        if not AXE.exists():
            missing.part("axe-core", "make studio")
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            {"rule": each["id"], "nodes": [node["html"][:200] for node in each["nodes"][:5]]}
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    def _console(self, text: str) -> None:
        if "Content Security Policy" in text or "TrustedHTML" in text:
            self.errors.append(text)

    def _request(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.outside.append(url)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    expect.set_options(timeout=PATIENCE_MS)
    path = missing.program("chromium", "chromium fonts-dejavu-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def studio(browser: Browser, desk: Desk, **options: Any) -> Iterator[Studio]:
    """A signed-in browser; at the end, nothing went wrong on its pages."""
    options = {"viewport": {"width": 1360, "height": 820}, **options}
    context = browser.new_context(**options)
    opened = Studio(context, desk)
    opened.sign_in()
    yield opened
    context.close()
    assert (opened.errors, opened.outside) == ([], [])
