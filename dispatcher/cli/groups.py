"""The commands and command groups by name, each imported when it is called.

To import all of them takes longer than most commands do.
"""

from collections.abc import Collection, Mapping
from importlib import import_module

import typer

from dispatcher.cli.command import command

# Those of Azure ML's CLI v1, and further ones in its manner: `az ml` has them, too.
GROUPS: Mapping[str, str] = {
    "run": "runs",
    "experiment": "experiments",
    "computetarget": "targets",
    "folder": "folder",
    "runconfig": "runconfigs",
    "environment": "environments",
    "workspace": "workspaces",
    "sweep": "sweep",
    "token": "tokens",
    "secret": "secrets",
    "retention": "disk",
}
OWN_GROUPS: Mapping[str, str] = {"server": "server", "shim": "shim", "migrate": "migrate"}
# The short commands: module, function, and what `command` is told.
SHORT: Mapping[str, tuple[str, str, Mapping[str, bool]]] = {
    "submit": ("submitting", "submit_script", {"takes_rest": True}),
    "ps": ("listing", "list_runs", {"with_query": True}),
    "logs": ("short", "logs", {}),
    "cancel": ("short", "cancel", {}),
    "metrics": ("short", "metrics", {}),
    "files": ("short", "files", {}),
    "download": ("short", "download", {}),
    "rm": ("short", "rm", {}),
    "targets": ("short", "list_targets", {"with_query": True}),
    "df": ("disk", "df", {}),
    "gc": ("disk", "gc", {}),
    "doctor": ("doctor", "doctor", {}),
    "studio": ("studio", "open_studio", {}),
}


def add_short_commands(app: typer.Typer, wanted: Collection[str]) -> None:
    """Add the short commands that are wanted; empty means all."""
    for name, (module, function, settings) in SHORT.items():
        if not wanted or name in wanted:
            found = getattr(import_module(f"dispatcher.cli.{module}"), function)
            command(app, name, **settings)(found)


def add_groups(app: typer.Typer, groups: Mapping[str, str], wanted: Collection[str]) -> None:
    """Add groups to a program.

    Args:
        app: The program.
        groups: The modules by group.
        wanted: The groups to add; empty means all.
    """
    for name, module in groups.items():
        if not wanted or name in wanted:
            app.add_typer(import_module(f"dispatcher.cli.{module}").app, name=name)


def first_words(arguments: Collection[str]) -> list[str]:
    """The arguments that are not options, in order: the command comes first among them."""
    return [each for each in arguments if not each.startswith("-")]
