"""v1's commands that are not supported; each error names the alternative."""

from collections.abc import Mapping

import typer

from dispatcher.cli.exits import Exit

PIPELINES = (
    "pipelines are not supported. A parent script that submits its steps with "
    "run.submit_child(config) and waits for them does the same: see docs/managing-runs.md."
)
_ARM = "there is no Azure resource behind a workspace here."
_SERVING = "serving is not supported: train here, serve with a server of your choice."
_DATA = "pass paths and URLs as script arguments; a run's files are kept in its outputs/."

GROUPS: Mapping[str, str] = {
    "pipeline": PIPELINES,
    "endpoint": _SERVING,
    "service": _SERVING,
    "datastore": _DATA,
    "dataset": _DATA,
    "data": _DATA,
    "model": "register a model from Python, run.register_model(name, path): it stays with its run.",
    "job": "that is CLI v2; v1's words are here: run submit-script, run list, run show …",
    "compute": "that is CLI v2; v1's word is computetarget.",
    "component": "that is CLI v2. " + PIPELINES.capitalize(),
    "online-endpoint": _SERVING,
    "batch-endpoint": _SERVING,
}
WORKSPACE: Mapping[str, str] = {
    "diagnose": "`dispatcher doctor` checks this machine, the service and its targets.",
    "list-keys": _ARM + " The owner's token of a service is in its data folder's service.json.",
    "sync-keys": _ARM,
    "share": "whoever has the service's token may use it; see docs/protocol.md.",
    "update": _ARM + " A workspace has a name and a folder, nothing to change.",
    "update-dependencies": _ARM,
    "private-endpoint": _ARM + " A service is reached by its socket or URL.",
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
    "computeinstance": "not supported: the machine that you are on is the target `local`.",
}
TARGETS: Mapping[str, str] = {
    "get-credentials": "not supported: the credentials of your engine or cluster are with you; "
    "`dispatcher computetarget show -n NAME` says where it is.",
    "update": "not supported: attach the target again under its name, that changes it.",
    "amlcompute": "not supported: " + _ARM + " See computetarget create amlcompute.",
    "computeinstance": "not supported: the machine that you are on is the target `local`.",
}
_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}


def register(app: typer.Typer, reasons: Mapping[str, str], group: str = "") -> None:
    """Have a Typer answer these names with the reason, whatever follows them; exit code 2."""
    for name, reason in reasons.items():
        _add(app, name, f"{group}{name}: {reason}")


def _add(app: typer.Typer, name: str, text: str) -> None:
    @app.command(name, hidden=True, context_settings=_ANYTHING, add_help_option=False, help=text)
    def refuse() -> None:
        typer.echo(f"error: {text}", err=True)
        raise typer.Exit(Exit.USAGE)
