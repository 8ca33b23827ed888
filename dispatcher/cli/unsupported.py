"""v1's commands that are not supported; each error names the alternative."""

from collections.abc import Mapping

import typer

from dispatcher.cli.exits import Exit

PIPELINES = (
    "pipelines are not supported. A parent script that submits its steps with "
    "run.submit_child(config) and waits for them does the same: see docs/managing-runs.md."
)
_ARM = "a workspace has no Azure resource here."
_SERVING = "serving is not supported: train here and serve with a server of your choice."
_DATA = "pass paths and URLs as script arguments; a run's files are in its outputs/."

GROUPS: Mapping[str, str] = {
    "pipeline": PIPELINES,
    "endpoint": _SERVING,
    "service": _SERVING,
    "datastore": _DATA,
    "dataset": _DATA,
    "data": _DATA,
    "model": "register a model in Python: run.register_model(name, path).",
    "job": "that is CLI v2; the v1 commands are run submit-script, run list, run show …",
    "compute": "that is CLI v2; the v1 command is computetarget.",
    "component": "that is CLI v2. " + PIPELINES.capitalize(),
    "online-endpoint": _SERVING,
    "batch-endpoint": _SERVING,
}
WORKSPACE: Mapping[str, str] = {
    "diagnose": "`dispatcher doctor` checks this machine, the service and its targets.",
    "list-keys": _ARM + " The owner's token of a service is in its data folder's service.json.",
    "sync-keys": _ARM,
    "share": "create a token for the other user: `dispatcher token create NAME`.",
    "update": _ARM + " A workspace has only a name and a folder.",
    "update-dependencies": _ARM,
    "private-endpoint": _ARM + " A service has a socket or a URL.",
}
ATTACHED: Mapping[str, str] = {
    "aks": "Kubernetes is not supported as such. With KubeRay on it: "
    "dispatcher computetarget attach ray -n NAME --address HOST:PORT",
    "kubernetes": "Kubernetes is not supported as such. With KubeRay on it: "
    "dispatcher computetarget attach ray -n NAME --address HOST:PORT",
}
CREATED: Mapping[str, str] = {
    "aks": _SERVING,
    "datafactory": "not supported: " + _ARM,
    "computeinstance": "not supported: this machine is the target `local`.",
}
TARGETS: Mapping[str, str] = {
    "get-credentials": "not supported: you have the credentials of your engine or cluster; "
    "`dispatcher computetarget show -n NAME` shows its address.",
    "update": "not supported: attach the target again under its name to change it.",
    "amlcompute": "not supported: " + _ARM + " See computetarget create amlcompute.",
    "computeinstance": "not supported: this machine is the target `local`.",
}
_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}


def register(app: typer.Typer, reasons: Mapping[str, str], group: str = "") -> None:
    """Add commands that print the reason and exit with code 2, for any arguments."""
    for name, reason in reasons.items():
        _add(app, name, f"{group}{name}: {reason}")


def _add(app: typer.Typer, name: str, text: str) -> None:
    @app.command(name, hidden=True, context_settings=_ANYTHING, add_help_option=False, help=text)
    def refuse() -> None:
        typer.echo(f"error: {text}", err=True)
        raise typer.Exit(Exit.USAGE)
