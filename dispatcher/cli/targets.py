"""`dispatcher computetarget …`: attach, create, list, show, detach, ping, clear."""
# ruff: noqa: ARG001  (the flags are v1's)

from typing import Annotated, Any

import typer

from dispatcher.cli import unsupported
from dispatcher.cli.command import Shown, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.client.api import targets
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.compute.amlcompute import AmlCompute
from dispatcher.client.v1.compute.remote_compute import RemoteCompute
from dispatcher.client.v1.compute.targets import ComputeTarget
from dispatcher.wire import encoding

app = typer.Typer(help="Compute targets: where runs run.", no_args_is_help=True)
attach = typer.Typer(help="Attach a target, or change one.", no_args_is_help=True)
create = typer.Typer(help="v1's way to make a target.", no_args_is_help=True)
app.add_typer(attach, name="attach")
app.add_typer(create, name="create")
unsupported.register(attach, unsupported.ATTACHED, "computetarget attach ")
unsupported.register(create, unsupported.CREATED, "computetarget create ")
unsupported.register(app, unsupported.TARGETS, "computetarget ")

COLUMNS = ("name", "kind", "capacity", "answers", "description")
Named = Annotated[str, typer.Option("--name", "-n", help="What runs call it.")]
Word = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The target's name.")]
OldWord = Annotated[str | None, typer.Option("--name", "-n", help="The name, v1's way.")]
Cpus = Annotated[float | None, typer.Option(help="CPU slots; default: all there are.")]
Gpus = Annotated[str | None, typer.Option(help="GPU ids, such as 0,1,2,3.")]
Memory = Annotated[int | None, typer.Option(help="Memory to give out.")]
DefaultGpus = Annotated[
    int | None, typer.Option(help="GPUs of a run that does not say; default 1 if there are any.")
]
Lend = Annotated[
    bool, typer.Option("--lend-slots/--no-lend-slots", help="Waiting parents lend their slot.")
]
Accepts = Annotated[
    str | None,
    typer.Option(help="Which runs may submit: users, process-runs (not from containers), any-run."),
]
Description = Annotated[str | None, typer.Option(help="For people.")]


@command(attach, "local")
def attach_local(
    scope: CommandContext,
    name: Named,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory_mb: Memory = None,
    python: Annotated[str | None, typer.Option(help="What `python` means there.")] = None,
    preload: Annotated[str | None, typer.Option(help="Modules kept loaded: numpy,torch.")] = None,
    default_gpus: DefaultGpus = None,
    lend_slots: Lend = True,
    accepts: Accepts = None,
    description: Description = None,
) -> Shown:
    """Processes of the service's machine."""
    return _attach("local", **locals())


@command(attach, "docker")
def attach_docker(
    scope: CommandContext,
    name: Named,
    docker_host: Annotated[str | None, typer.Option(help="unix:///… or tcp://…")] = None,
    image: Annotated[str | None, typer.Option(help="For runs that name none.")] = None,
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
) -> Shown:
    """Containers of a Docker engine."""
    return _attach("docker", **locals())


@command(attach, "ray")
def attach_ray(
    scope: CommandContext,
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
    accepts: Accepts = None,
    description: Description = None,
) -> Shown:
    """Nodes of a Ray cluster."""
    return _attach("ray", **locals())


@command(attach, "remote")
def attach_remote(
    scope: CommandContext,
    name: Named,
    address: Annotated[str, typer.Option("--address", "-a", help="The machine.")],
    username: Annotated[str, typer.Option("--username", "-u", help="Who logs in.")],
    ssh_port: Annotated[int, typer.Option(min=1, max=65535)] = 22,
    password: Annotated[str | None, typer.Option("--password", "-p", hidden=True)] = None,
    private_key_file: Annotated[str | None, typer.Option(hidden=True)] = None,
    private_key_passphrase: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> Shown:
    """v1's machines over SSH: containers of the machine's Docker engine.

    The service logs in as its account's SSH is set up to; secrets are not handed on.
    """
    machine = RemoteCompute.attach_configuration(
        username,
        address=address,
        ssh_port=ssh_port,
        password=password or "",
        private_key_file=private_key_file or "",
        private_key_passphrase=private_key_passphrase or "",
    )
    target_object = ComputeTarget.attach(scope.workspace, _checked(name), machine)
    return Shown(target_object.serialize())


@command(create, "amlcompute")
def create_amlcompute(
    scope: CommandContext,
    name: Named,
    max_nodes: Annotated[int, typer.Option(help="Kept and shown.", min=0)],
    min_nodes: Annotated[int, typer.Option(help="Kept and shown.", min=0)] = 0,
    vm_size: Annotated[str | None, typer.Option("--vm-size", "-s", help="Kept and shown.")] = None,
    vm_priority: Annotated[str, typer.Option(hidden=True)] = "dedicated",
    idle: Annotated[int, typer.Option("--idle-seconds-before-scaledown", hidden=True)] = 1800,
    location: Annotated[str | None, typer.Option("--location", "-l", hidden=True)] = None,
    description: Description = None,
) -> Shown:
    """Give this machine, or what is attached already, the name of one of v1's clusters.

    A target of that name that is there already is kept as it is: attach your Docker engine or Ray
    cluster under the cluster's name first, and v1's scripts use that.
    """
    asked = AmlCompute.provisioning_configuration(
        vm_size=vm_size or "",
        vm_priority=vm_priority,
        min_nodes=min_nodes,
        max_nodes=max_nodes,
        idle_seconds_before_scaledown=idle,
        description=description,
    )
    scope.note_ignored(location=location)
    target_object = ComputeTarget.create(scope.workspace, _checked(name), asked)
    if not isinstance(target_object, AmlCompute):
        scope.note(f"{name} is there already ({target_object.type}) and stays as it is")
    return Shown(target_object.serialize())


@command(app, "list", with_query=True)
def list_targets(scope: CommandContext) -> Shown:
    """All targets of the workspace."""
    return Shown(targets.read_all(scope.service), COLUMNS)


@command(app, "show")
def show_target(
    scope: CommandContext,
    word: Word = None,
    name: OldWord = None,
    verbosely: Annotated[bool, typer.Option("-v", hidden=True)] = False,
) -> Shown:
    """One target: its configuration without secrets, and what it has."""
    return Shown(targets.read(scope.service, _chosen(word, name)))


@command(app)
def ping(scope: CommandContext, word: Word = None, name: OldWord = None) -> Shown:
    """Ask the target whether it answers; exit code 5 if it does not."""
    answer = targets.ping(scope.service, _chosen(word, name))
    return Shown(answer, code=Exit.OK if answer["answers"] else Exit.UNREACHABLE)


@command(app)
def clear(scope: CommandContext, word: Word = None, name: OldWord = None) -> Shown:
    """End the jobs that the target has and no run accounts for (its orphan jobs).

    There are such when the database was put back to an earlier state while runs went on.
    """
    answer = targets.clear(scope.service, _chosen(word, name))
    orphans = [{"job": job, "state": state} for job, state in answer["orphan_jobs"].items()]
    scope.note(
        f"jobs that are being ended: {len(orphans)}" if orphans else "there is nothing to clear"
    )
    return Shown(orphans, ("job", "state"))


@command(app)
def detach(scope: CommandContext, word: Word = None, name: OldWord = None) -> None:
    """Forget a target; refused while runs are on it."""
    _remove(scope, _chosen(word, name), "detached")


@command(app)
def delete(
    scope: CommandContext,
    word: Word = None,
    name: OldWord = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", hidden=True)] = False,
) -> None:
    """The same as detach: the machines behind a target are yours."""
    _remove(scope, _chosen(word, name), "deleted")


def _attach(kind: str, scope: CommandContext, name: str, **settings: Any) -> Shown:
    chosen = {key: value for key, value in settings.items() if value is not None}
    config = {"kind": kind, "name": name, **chosen}
    path = f"/targets/{_checked(name)}"
    return Shown(scope.service.send("PUT", path, body=encoding.dumps(config)).json())


def _remove(scope: CommandContext, name: str, done: str) -> None:
    targets.delete(scope.service, name)
    typer.echo(f"{name} is {done}")


def _chosen(word: str | None, option: str | None) -> str:
    chosen = {each for each in (word, option) if each is not None}
    if len(chosen) != 1:
        raise UserErrorException("Which target? Give its name, once: --name/-n NAME, or NAME.")
    return _checked(chosen.pop())


def _checked(name: str) -> str:
    if not name or set(name) & set("/?#%\\ ") or not (name.isascii() and name.isprintable()):
        raise UserErrorException(f"{name!r} cannot be a target's name.")
    return name
