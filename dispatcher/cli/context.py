"""The context of a command: its workspace, its output options, and how its errors are reported."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import typer

from dispatcher.cli.exits import Exit
from dispatcher.cli.output import Format
from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.errors import (
    AzureMLException,
    ServerUnreachable,
    ServiceException,
    UserErrorException,
    WaitTimeoutError,
    WorkspaceException,
)
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.workspaces import config as workspace_config
from dispatcher.client.v1.workspaces.workspace import Workspace

HERE = Path()


@dataclass
class CommandContext:
    """What every command can be told."""

    path: Path = HERE
    workspace_name: str | None = None
    resource_group: str | None = None
    subscription_id: str | None = None
    output: Format | None = None
    query: str | None = None
    metadata_file: Path | None = None
    quiet: bool = False

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace that is meant: by name, else of the folder or one above, else made here.

        A folder that belongs to no workspace becomes one of its own, so that the first command
        works.
        """
        workspace = self._named() if self.workspace_name else self._of_folder()
        self.note_address(workspace)
        return workspace

    def note_address(self, workspace: Workspace) -> None:
        """Say if the workspace's v1 address is another than the one that was given."""
        for word, asked, real in (
            ("resource group", self.resource_group, workspace.resource_group),
            ("subscription", self.subscription_id, workspace.subscription_id),
        ):
            if asked not in (None, real):
                self.note(f"workspace {workspace.name} is of {word} {real!r}; {asked!r} is ignored")

    @property
    def service(self) -> ApiConnection:
        """The connection to the workspace's service."""
        return self.workspace.service

    @property
    def wants_result(self) -> bool:
        """Whether the result was asked for in so many words."""
        return self.output is not None or bool(self.query)

    def run(self, run_id: str, experiment: str | None = None) -> Run:
        """The run of that id; of that experiment, if one is named.

        Raises:
            ServiceException: There is none (404).
        """
        odd = set(run_id) & set("/?#%\\ ") or not (run_id.isascii() and run_id.isprintable())
        if not run_id or odd:
            raise ServiceException(f"there is no run {run_id!r}", 404, "RunNotFound")
        run = self.workspace.get_run(run_id)
        if experiment not in (None, run.experiment.name):
            raise ServiceException(
                f"run {run_id} is of experiment {run.experiment.name!r}, not of {experiment!r}",
                404,
                "RunNotFound",
            )
        return run

    def note(self, text: str) -> None:
        """Say something on stderr that is no error."""
        if not self.quiet:
            typer.echo(f"note: {text}", err=True)

    def note_ignored(self, **flags: object) -> None:
        """Say of each flag of v1 that was given that it has no meaning here."""
        for name, value in flags.items():
            if value not in (None, False):
                self.note(f"--{name.replace('_', '-')} has no meaning here and is ignored")

    def _named(self) -> Workspace:
        assert self.workspace_name
        if set(self.workspace_name) & set("/\\\0"):
            raise UserErrorException(f"{self.workspace_name!r} is not a workspace's name.")
        try:
            return Workspace.get(self.workspace_name)
        except WorkspaceException:
            # It may be known by the folder's config.json alone: Azure's own, or a copied one.
            if _has_config(self.path):
                here = Workspace.from_config(str(self.path))
                if here.name == self.workspace_name:
                    return here
            raise

    def _of_folder(self) -> Workspace:
        if not self.path.exists():
            raise UserErrorException(f"--path {self.path}: there is no such folder.")
        try:
            return Workspace.from_config(str(self.path))
        except UserErrorException:
            if _has_config(self.path):
                raise
        folder = self.path.resolve()
        self.note(f"{folder} is a workspace from now on ({folder}/.azureml)")
        return Workspace.create(own_name(folder), path=str(folder), exist_ok=True)


def own_name(folder: Path) -> str:
    """The folder's name and a few letters of its path's hash: two folders `train` are two."""
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in folder.name) or "workspace"
    return f"{name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def _has_config(path: Path) -> bool:
    try:
        workspace_config.find(str(path), None)
    except UserErrorException:
        return False
    return True


@contextmanager
def errors_reported() -> Iterator[None]:
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
    except (AzureMLException, OSError) as error:
        raise _exit(Exit.USAGE, error) from error


def _exit(code: Exit, error: Exception) -> typer.Exit:
    text = getattr(error, "message", None) or str(error)
    typer.echo(f"error: {text}", err=True)
    return typer.Exit(code)
