"""The context of a command: its workspace, its output options, and how its errors are reported."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import typer

from dispatcher.cli.exits import Exit
from dispatcher.cli.output import Format, printable
from dispatcher.client.absolute_path import absolute
from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.api.runs import page
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
LATEST = "latest"
NOT_FOUND = 404
MATCHES = 6  # runs that are looked at when the start of an id fits several


@dataclass
class CommandContext:
    """The common options of a command, and the workspace that they name."""

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
        """The workspace of the command: by name, else that of the folder or of a parent folder.

        A folder without a workspace gets a new one, so that the first command works.
        """
        workspace = (
            self._workspace_by_name() if self.workspace_name else self._workspace_of_folder()
        )
        self.note_address(workspace)
        return workspace

    @property
    def folder(self) -> Path:
        """The absolute path of `path`. Raises UserErrorException where there is none."""
        return Path(absolute(str(self.path))).resolve()

    def note_address(self, workspace: Workspace) -> None:
        """Print a note if the workspace's v1 address differs from the given one."""
        for kind, requested, actual in (
            ("resource group", self.resource_group, workspace.resource_group),
            ("subscription", self.subscription_id, workspace.subscription_id),
        ):
            if requested not in (None, actual):
                self.note(
                    f"workspace {workspace.name} has {kind} {actual!r}; {requested!r} is ignored"
                )

    @property
    def service(self) -> ApiConnection:
        """The connection to the workspace's service."""
        return self.workspace.service

    @property
    def wants_result(self) -> bool:
        """Whether `-o` or `--query` asks for the result."""
        return self.output is not None or bool(self.query)

    def run(self, run_id: str, experiment: str | None = None) -> Run:
        """The run with an id, with the only id that begins so, or the latest one.

        Args:
            run_id: The id, its beginning, or "latest".
            experiment: The run must be of it.

        Raises:
            ServiceException: There is none, or it is not of `experiment` (404).
            UserErrorException: Several ids begin so.
        """
        is_invalid = set(run_id) & set("/?#%\\ ") or not (run_id.isascii() and run_id.isprintable())
        if not run_id or is_invalid:
            raise ServiceException(f"there is no run {run_id!r}", 404, "RunNotFound")
        run = self._latest(experiment) if run_id == LATEST else self._by_id(run_id)
        if experiment not in (None, run.experiment.name):
            raise ServiceException(
                f"run {run_id} belongs to experiment {run.experiment.name!r}, not {experiment!r}",
                404,
                "RunNotFound",
            )
        return run

    def _by_id(self, run_id: str) -> Run:
        try:
            return self.workspace.get_run(run_id)
        except ServiceException as error:
            if getattr(error, "status_code", None) != NOT_FOUND:
                raise
            query: list[tuple[str, str | int]] = [
                ("id_prefix", run_id),
                ("include_children", "true"),
                ("limit", MATCHES),
            ]
            ids = [record["id"] for record in page(self.service, query)["runs"]]
            if not ids:
                raise
        if len(ids) > 1:
            named = ", ".join(ids[: MATCHES - 1]) + (", …" if len(ids) == MATCHES else "")
            raise UserErrorException(f"Several runs begin with {run_id!r}: {named}. Type more.")
        return self.workspace.get_run(ids[0])

    def _latest(self, experiment: str | None) -> Run:
        filters = [("experiment", experiment)] if experiment else []
        records = page(self.service, [*filters, ("limit", 1)])["runs"]
        if not records:
            where = f"experiment {experiment!r}" if experiment else "this workspace"
            raise ServiceException(f"there is no run in {where}", NOT_FOUND, "RunNotFound")
        return self.workspace.get_run(records[0]["id"])

    def note(self, text: str) -> None:
        """Print a note on stderr."""
        if not self.quiet:
            typer.echo(f"note: {printable(text)}", err=True)

    def note_ignored(self, **flags: object) -> None:
        """Print a note for each given v1 flag that has no meaning here."""
        for name, value in flags.items():
            if value not in (None, False):
                self.note(f"--{name.replace('_', '-')} has no meaning here and is ignored")

    def _workspace_by_name(self) -> Workspace:
        assert self.workspace_name
        if set(self.workspace_name) & set("/\\\0"):
            raise UserErrorException(f"{self.workspace_name!r} is not a valid workspace name.")
        try:
            return Workspace.get(self.workspace_name)
        except WorkspaceException:
            # The folder's config.json may name it, for instance a copied one.
            if _has_config(self.path):
                workspace = Workspace.from_config(str(self.path))
                if workspace.name == self.workspace_name:
                    return workspace
            raise

    def _workspace_of_folder(self) -> Workspace:
        if not self.path.exists():
            raise UserErrorException(f"--path {self.path}: the folder does not exist.")
        try:
            return Workspace.from_config(str(self.path))
        except UserErrorException:
            if _has_config(self.path):
                raise
        folder = self.folder
        workspace = Workspace.create(name_for_folder(folder), path=str(folder), exist_ok=True)
        self.note(f"created a workspace for {folder} ({folder / '.azureml'})")
        return workspace


def name_for_folder(folder: Path) -> str:
    """A workspace name for a folder: its name and six digits of its path's hash."""
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
    """Turn errors of the client into one line on stderr and an exit code."""
    try:
        yield
    except WaitTimeoutError as error:
        raise _exit(Exit.TIMEOUT, error) from error
    except ServerUnreachable as error:
        raise _exit(Exit.UNREACHABLE, error) from error
    except ServiceException as error:
        is_missing = getattr(error, "status_code", None) == 404
        raise _exit(Exit.NOT_FOUND if is_missing else Exit.USAGE, error) from error
    except BrokenPipeError as error:
        # The reader of a pipe (`| head`) has what it wants. Python flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.PIPE_CLOSED) from error
    except (AzureMLException, OSError) as error:
        raise _exit(Exit.USAGE, error) from error


def _exit(code: Exit, error: Exception) -> typer.Exit:
    text = getattr(error, "message", None) or str(error)
    typer.echo(f"error: {printable(text)}", err=True)
    return typer.Exit(code)
