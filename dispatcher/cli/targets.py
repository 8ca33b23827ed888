"""`dispatcher computetarget …`: attach, create, list, show, detach, ping, clear."""
# ruff: noqa: ARG001  (the flags are v1's)

from typing import Annotated, Any

import typer

from dispatcher.cli import unsupported
from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.client.api import targets
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.compute.amlcompute import AmlCompute
from dispatcher.client.v1.compute.remote_compute import RemoteCompute
from dispatcher.client.v1.compute.targets import ComputeTarget
from dispatcher.wire import encoding

app = typer.Typer(help="Compute targets of runs.", no_args_is_help=True)
attach = typer.Typer(help="Attach a target, or change one.", no_args_is_help=True)
create = typer.Typer(help="Create a target, as in v1.", no_args_is_help=True)
app.add_typer(attach, name="attach")
app.add_typer(create, name="create")
unsupported.register(attach, unsupported.ATTACHED, "computetarget attach ")
unsupported.register(create, unsupported.CREATED, "computetarget create ")
unsupported.register(app, unsupported.TARGETS, "computetarget ")

COLUMNS = ("name", "kind", "capacity", "answers", "description")
TargetName = Annotated[str, typer.Option("--name", "-n", help="Name of the target.")]
TargetArgument = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The target's name.")]
TargetOption = Annotated[
    str | None, typer.Option("--name", "-n", help="The target's name, as in v1.")
]
Cpus = Annotated[float | None, typer.Option(help="CPU slots; default: all CPUs.")]
Gpus = Annotated[
    str | None,
    typer.Option(help="GPU ids, such as 0,1,2,3; all or none. Default: those that are detected."),
]
Memory = Annotated[int | None, typer.Option(help="Memory for runs, in MB.")]
DefaultGpus = Annotated[
    int | None, typer.Option(help="GPUs of a run without a request; default 1 if there are any.")
]
Lend = Annotated[
    bool, typer.Option("--lend-slots/--no-lend-slots", help="Waiting parents lend their slot.")
]
Accepts = Annotated[
    str | None,
    typer.Option(help="Which runs may submit: users, process-runs (not from containers), any-run."),
]
Description = Annotated[str | None, typer.Option(help="Description.")]


@command(attach, "local")
def attach_local(
    scope: CommandContext,
    name: TargetName,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory_mb: Memory = None,
    python: Annotated[str | None, typer.Option(help="Interpreter for `python`.")] = None,
    preload: Annotated[str | None, typer.Option(help="Modules to preload: numpy,torch.")] = None,
    default_gpus: DefaultGpus = None,
    lend_slots: Lend = True,
    accepts: Accepts = None,
    description: Description = None,
) -> CommandResult:
    """Attach the service's machine; runs are processes."""
    return _attach("local", **locals())


@command(attach, "docker")
def attach_docker(
    scope: CommandContext,
    name: TargetName,
    docker_host: Annotated[str | None, typer.Option(help="unix:///… or tcp://…")] = None,
    image: Annotated[str | None, typer.Option(help="Image of runs that name none.")] = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory_mb: Memory = None,
    network: Annotated[str | None, typer.Option(help="bridge, none or host.")] = None,
    user: Annotated[str | None, typer.Option(help="uid[:gid] in the containers.")] = None,
    gpu_mode: Annotated[str | None, typer.Option(help="auto, runtime or cdi.")] = None,
    warm: Annotated[bool | None, typer.Option(help="Keep containers for short runs.")] = None,
    default_gpus: DefaultGpus = None,
    lend_slots: Lend = True,
    accepts: Accepts = None,
    description: Description = None,
) -> CommandResult:
    """Attach a Docker engine; runs are containers."""
    return _attach("docker", **locals())


@command(attach, "ray")
def attach_ray(
    scope: CommandContext,
    name: TargetName,
    address: Annotated[str, typer.Option(help="HOST:PORT or ray://HOST:PORT.")],
    token: Annotated[
        str | None, typer.Option(envvar="RAY_AUTH_TOKEN", help="The cluster's token, if any.")
    ] = None,
    node_ip_address: Annotated[str | None, typer.Option(help="Address of the driver.")] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter with the cluster's Ray.")] = None,
    allocation: Annotated[str | None, typer.Option(help="exclusive or per-run.")] = None,
    lease_seconds: Annotated[
        float | None, typer.Option(help="Seconds until a node that is cut off ends.")
    ] = None,
    default_gpus: DefaultGpus = None,
    lend_slots: Lend = True,
    accepts: Accepts = None,
    description: Description = None,
) -> CommandResult:
    """Attach a Ray cluster; runs are processes on its nodes."""
    return _attach("ray", **locals())


@command(attach, "remote")
def attach_remote(
    scope: CommandContext,
    name: TargetName,
    address: Annotated[str, typer.Option("--address", "-a", help="The machine.")],
    username: Annotated[str, typer.Option("--username", "-u", help="User for SSH.")],
    ssh_port: Annotated[int, typer.Option(min=1, max=65535)] = 22,
    password: Annotated[str | None, typer.Option("--password", "-p", hidden=True)] = None,
    private_key_file: Annotated[str | None, typer.Option(hidden=True)] = None,
    private_key_passphrase: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> CommandResult:
    """Attach a machine over SSH, as in v1; runs are containers of its Docker engine.

    The service logs in with the SSH configuration of its account; passwords are not used.
    """
    machine = RemoteCompute.attach_configuration(
        username,
        address=address,
        ssh_port=ssh_port,
        password=password or "",
        private_key_file=private_key_file or "",
        private_key_passphrase=private_key_passphrase or "",
    )
    target_object = ComputeTarget.attach(scope.workspace, _check_name(name), machine)
    return CommandResult(target_object.serialize())


@command(create, "amlcompute")
def create_amlcompute(
    scope: CommandContext,
    name: TargetName,
    max_nodes: Annotated[int, typer.Option(help="Stored and shown.", min=0)],
    min_nodes: Annotated[int, typer.Option(help="Stored and shown.", min=0)] = 0,
    vm_size: Annotated[
        str | None, typer.Option("--vm-size", "-s", help="Stored and shown.")
    ] = None,
    vm_priority: Annotated[str, typer.Option(hidden=True)] = "dedicated",
    idle: Annotated[int, typer.Option("--idle-seconds-before-scaledown", hidden=True)] = 1800,
    location: Annotated[str | None, typer.Option("--location", "-l", hidden=True)] = None,
    description: Description = None,
) -> CommandResult:
    """Create a target with the name of a v1 cluster; it uses this machine.

    An existing target with the name stays as it is: attach your Docker engine or Ray cluster under
    the cluster's name first, and v1's scripts use it.
    """
    configuration = AmlCompute.provisioning_configuration(
        vm_size=vm_size or "",
        vm_priority=vm_priority,
        min_nodes=min_nodes,
        max_nodes=max_nodes,
        idle_seconds_before_scaledown=idle,
        description=description,
    )
    scope.note_ignored(location=location)
    target_object = ComputeTarget.create(scope.workspace, _check_name(name), configuration)
    if not isinstance(target_object, AmlCompute):
        scope.note(f"{name} exists already ({target_object.type}) and stays as it is")
    return CommandResult(target_object.serialize())


@command(app, "list", with_query=True)
def list_targets(scope: CommandContext) -> CommandResult:
    """All targets of the workspace."""
    return CommandResult(targets.read_all(scope.service), COLUMNS)


@command(app, "show")
def show_target(
    scope: CommandContext,
    argument: TargetArgument = None,
    name: TargetOption = None,
    verbosely: Annotated[bool, typer.Option("-v", hidden=True)] = False,
) -> CommandResult:
    """Show a target: its configuration without secrets, and its capacity."""
    return CommandResult(targets.read(scope.service, _require_name(argument, name)))


@command(app)
def ping(
    scope: CommandContext, argument: TargetArgument = None, name: TargetOption = None
) -> CommandResult:
    """Check whether the target answers; exit code 5 if it does not."""
    answer = targets.ping(scope.service, _require_name(argument, name))
    return CommandResult(answer, code=Exit.OK if answer["answers"] else Exit.UNREACHABLE)


@command(app)
def clear(
    scope: CommandContext, argument: TargetArgument = None, name: TargetOption = None
) -> CommandResult:
    """End the orphan jobs of a target: jobs that no run accounts for.

    They exist if the database was restored to an earlier state while runs continued.
    """
    answer = targets.clear(scope.service, _require_name(argument, name))
    orphans = [{"job": job, "state": state} for job, state in answer["orphan_jobs"].items()]
    scope.note(
        f"orphan jobs that are being ended: {len(orphans)}"
        if orphans
        else "there are no orphan jobs"
    )
    return CommandResult(orphans, ("job", "state"))


@command(app)
def detach(
    scope: CommandContext, argument: TargetArgument = None, name: TargetOption = None
) -> None:
    """Remove a target; refused while it has runs."""
    _remove(scope, _require_name(argument, name), "detached")


@command(app)
def delete(
    scope: CommandContext,
    argument: TargetArgument = None,
    name: TargetOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", hidden=True)] = False,
) -> None:
    """The same as detach; the target's machines stay as they are."""
    _remove(scope, _require_name(argument, name), "deleted")


def _attach(kind: str, scope: CommandContext, name: str, **settings: Any) -> CommandResult:
    chosen_settings = {key: value for key, value in settings.items() if value is not None}
    config = {"kind": kind, "name": name, **chosen_settings}
    path = f"/targets/{_check_name(name)}"
    return CommandResult(scope.service.send("PUT", path, body=encoding.dumps(config)).json())


def _remove(scope: CommandContext, name: str, action: str) -> None:
    targets.delete(scope.service, name)
    typer.echo(f"{name} is {action}")


def _require_name(argument: str | None, option: str | None) -> str:
    chosen = {each for each in (argument, option) if each is not None}
    if len(chosen) != 1:
        raise UserErrorException("Which target? Give its name, once: --name/-n NAME, or NAME.")
    return _check_name(chosen.pop())


def _check_name(name: str) -> str:
    if not name or set(name) & set("/?#%\\ ") or not (name.isascii() and name.isprintable()):
        raise UserErrorException(
            f"{name!r} is not a target's name: it begins with a letter, goes on with letters, "
            "digits, '_', '.' and '-', and has 64 characters at most."
        )
    return name
