"""Which workspace a command means, and how errors leave it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.exits import Exit
from dispatcher.client import workspace_config
from dispatcher.client.errors import (
    AzureMLException,
    ServerUnreachable,
    ServiceException,
    UserErrorException,
    WaitTimeoutError,
)
from dispatcher.client.workspace import Workspace

WorkspaceName = Annotated[
    str | None,
    typer.Option("--workspace-name", "-w", help="Workspace by name instead of by folder."),
]
Folder = Annotated[Path, typer.Option("--path", help="Folder to look for the workspace from.")]
HERE = Path()


def workspace(name: str | None = None, path: Path = HERE) -> Workspace:
    """The workspace that is meant: by name, else of the folder or one above, else made here.

    A folder that belongs to no workspace becomes one of its own, so that the first command works.
    """
    if name:
        return Workspace.get(name)
    try:
        return Workspace.from_config(str(path))
    except UserErrorException:
        if _has_config(path):
            raise
    folder = path.resolve()
    typer.echo(f"note: {folder} is a workspace from now on ({folder}/.azureml)", err=True)
    return Workspace.create(_own_name(folder), path=str(folder), exist_ok=True)


def _has_config(path: Path) -> bool:
    try:
        workspace_config.find(str(path), None)
    except UserErrorException:
        return False
    return True


def _own_name(folder: Path) -> str:
    """The folder's name and a few letters of its path's hash: two folders `train` are two."""
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in folder.name) or "workspace"
    return f"{name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


@contextmanager
def errors_told() -> Iterator[None]:
    """Turn what the client raises into one line on stderr and an exit code."""
    try:
        yield
    except WaitTimeoutError as error:
        raise _exit(Exit.TIMEOUT, error) from error
    except ServerUnreachable as error:
        raise _exit(Exit.UNREACHABLE, error) from error
    except ServiceException as error:
        missing = getattr(error, "status_code", None) == 404
        raise _exit(Exit.NOT_FOUND if missing else Exit.USAGE, error) from error
    except AzureMLException as error:
        raise _exit(Exit.USAGE, error) from error


def _exit(code: Exit, error: Exception) -> typer.Exit:
    text = getattr(error, "message", None) or str(error)
    typer.echo(f"error: {text}", err=True)
    return typer.Exit(code)
