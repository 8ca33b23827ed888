"""`dispatcher studio`: opens the web page of a workspace's service by a one-time link."""

import html
import webbrowser
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from dispatcher.cli.context import CommandContext
from dispatcher.client.errors import UserErrorException
from dispatcher.store.content.disk import write_private

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REDIRECT = "studio.html"  # in the data folder; a link in the arguments of a browser is public
_PAGE = (
    '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    '<meta http-equiv="refresh" content="0; url={link}"><title>dispatcher studio</title>'
)


def open_studio(
    scope: CommandContext,
    run: Annotated[
        str | None, typer.Argument(help="Open the page of this run: its id, or 'latest'.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the link instead of opening a browser.")
    ] = False,
) -> None:
    """Open the studio in the browser, by a link that is valid once and for some minutes."""
    page = "/" if run is None else f"/runs/{scope.run(run).id}"
    address = scope.service.address.url
    if (urlsplit(address).hostname or "") not in LOOPBACK:
        raise UserErrorException(
            f"The service listens on {address}; the studio is for browsers on its own machine: "
            "set DISPATCHER_HOST to 127.0.0.1."
        )
    answer = scope.service.post("/studio/links")
    link = f"{address}{page}#{answer['fragment']}"
    minutes = answer["seconds"] // 60
    if no_browser or not _open(Path(scope.workspace.data_folder), link):
        typer.echo(link)
        scope.note(f"the link is valid once, for {minutes} minutes, on this machine")
        return
    scope.note(f"the studio opens in the browser; its link is valid for {minutes} minutes")


def _open(data: Path, link: str) -> bool:
    """Open the link by a file that its user alone can read; False if there is no browser."""
    path = data / REDIRECT
    write_private(path, _PAGE.format(link=html.escape(link, quote=True)).encode())
    return webbrowser.open(path.resolve().as_uri())
