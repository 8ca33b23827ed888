"""`dispatcher computetarget …`: attach, list, show, detach, ping."""

from typing import Annotated, Any

import typer

from dispatcher.cli.context import HERE, Folder, WorkspaceName, errors_told, workspace
from dispatcher.cli.exits import Exit
from dispatcher.cli.output import Output, Query, show
from dispatcher.client import wire

app = typer.Typer(help="Compute targets: where runs run.", no_args_is_help=True)
attach = typer.Typer(help="Attach a target, or change one.", no_args_is_help=True)
app.add_typer(attach, name="attach")

COLUMNS = ("name", "kind", "capacity", "answers", "description")
Named = Annotated[str, typer.Option("--name", "-n", help="What runs call it.")]
Target = Annotated[str, typer.Argument(metavar="NAME")]
Cpus = Annotated[float | None, typer.Option(help="CPU slots; default: all there are.")]
Gpus = Annotated[str | None, typer.Option(help="GPU ids, such as 0,1,2,3.")]
DefaultGpus = Annotated[
    int | None, typer.Option(help="GPUs of a run that does not say; default 1 if there are any.")
]
Lend = Annotated[
    bool, typer.Option("--lend-slots/--no-lend-slots", help="Waiting parents lend their slot.")
]


@attach.command("local")
def attach_local(
    name: Named,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory_mb: Annotated[int | None, typer.Option(help="Memory to give out.")] = None,
    python: Annotated[str | None, typer.Option(help="What `python` means there.")] = None,
    preload: Annotated[str | None, typer.Option(help="Modules kept loaded: numpy,torch.")] = None,
    default_gpus: DefaultGpus = None,
    lend_slots: Lend = True,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
) -> None:
    """Processes of the service's machine."""
    _attach(
        {
            "kind": "local",
            "name": name,
            "cpus": cpus,
            "gpus": gpus,
            "memory_mb": memory_mb,
            "python": python,
            "preload": preload,
            "default_gpus": default_gpus,
            "lend_slots": lend_slots,
        },
        workspace_name,
        path,
        output,
    )


@attach.command("docker")
def attach_docker(
    name: Named,
    docker_host: Annotated[str | None, typer.Option(help="unix:///… or tcp://…")] = None,
    image: Annotated[str | None, typer.Option(help="For runs that name none.")] = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory_mb: Annotated[int | None, typer.Option(help="Memory to give out.")] = None,
    network: Annotated[str | None, typer.Option(help="bridge, none or host.")] = None,
    user: Annotated[str | None, typer.Option(help="uid[:gid] in the containers.")] = None,
    gpu_mode: Annotated[str | None, typer.Option(help="auto, runtime or cdi.")] = None,
    warm: Annotated[bool | None, typer.Option(help="Keep containers for short runs.")] = None,
    default_gpus: DefaultGpus = None,
    lend_slots: Lend = True,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
) -> None:
    """Containers of a Docker engine."""
    _attach(
        {
            "kind": "docker",
            "name": name,
            "docker_host": docker_host,
            "image": image,
            "cpus": cpus,
            "gpus": gpus,
            "memory_mb": memory_mb,
            "network": network,
            "user": user,
            "gpu_mode": gpu_mode,
            "warm": warm,
            "default_gpus": default_gpus,
            "lend_slots": lend_slots,
        },
        workspace_name,
        path,
        output,
    )


@attach.command("ray")
def attach_ray(
    name: Named,
    address: Annotated[str, typer.Option(help="HOST:PORT or ray://HOST:PORT.")],
    token: Annotated[
        str | None, typer.Option(envvar="RAY_AUTH_TOKEN", help="The cluster's token, if any.")
    ] = None,
    node_ip_address: Annotated[str | None, typer.Option(help="Where the driver stands.")] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter with the cluster's Ray.")] = None,
    allocation: Annotated[str | None, typer.Option(help="exclusive or per-run.")] = None,
    lease_seconds: Annotated[float | None, typer.Option(help="Until a cut-off node ends.")] = None,
    default_gpus: DefaultGpus = None,
    lend_slots: Lend = True,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
) -> None:
    """Nodes of a Ray cluster."""
    _attach(
        {
            "kind": "ray",
            "name": name,
            "address": address,
            "token": token,
            "node_ip_address": node_ip_address,
            "python": python,
            "allocation": allocation,
            "lease_seconds": lease_seconds,
            "default_gpus": default_gpus,
            "lend_slots": lend_slots,
        },
        workspace_name,
        path,
        output,
    )


@app.command("list")
def list_targets(
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
    query: Query = None,
) -> None:
    """All targets of the workspace."""
    with errors_told():
        found = workspace(workspace_name, path).service.get("/targets")["targets"]
        show(found, output, query, COLUMNS)


@app.command("show")
def show_target(
    name: Target,
    path: Folder = HERE,
    workspace_name: WorkspaceName = None,
    output: Output = None,
    query: Query = None,
) -> None:
    """One target: its configuration without secrets, and what it has."""
    with errors_told():
        found = workspace(workspace_name, path).service.get(f"/targets/{name}")
        show(found, output, query)


@app.command()
def ping(
    name: Target, path: Folder = HERE, workspace_name: WorkspaceName = None, output: Output = None
) -> None:
    """Ask the target whether it answers; exit code 5 if it does not."""
    with errors_told():
        found = workspace(workspace_name, path).service.post(f"/targets/{name}/ping", {})
        show(found, output, None)
        if not found["answers"]:
            raise typer.Exit(Exit.UNREACHABLE)


@app.command()
def detach(name: Target, path: Folder = HERE, workspace_name: WorkspaceName = None) -> None:
    """Forget a target; refused while runs are on it."""
    with errors_told():
        workspace(workspace_name, path).service.send("DELETE", f"/targets/{name}")
        typer.echo(f"{name} is detached")


def _attach(config: dict[str, Any], workspace_name: str | None, path: Any, output: Any) -> None:
    given = {key: value for key, value in config.items() if value is not None}
    with errors_told():
        service = workspace(workspace_name, path).service
        answer = service.send("PUT", f"/targets/{config['name']}", body=wire.dumps(given))
        show(answer.json(), output, None)
