"""From a placed run to its jobs: `jobs_for(run) -> [Job]`, one for each host it was placed on. Pure
but for tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dispatcher.core.runs.environment_recipes import recipe
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.scheduling.plan import Share
from dispatcher.wire.jobs import Job, Rank, World


@dataclass(frozen=True)
class RuntimeContext:
    """What every job is told about the service: v1's own variables, and where it can be reached."""

    service_id: str
    url: str
    socket: str | None
    workspace: str
    subscription: str
    resource_group: str


def jobs_for(
    run: Run, context: RuntimeContext, token: Callable[[str, int], str], config: Mapping[str, Any]
) -> list[Job]:
    """The jobs of the run's present attempt. The same run gives the same jobs, whoever asks."""
    hosts = [(node, list(shares)) for node, shares in _by_host(run)]
    world = _world(run)
    own = token(run.id, run.attempt)
    env = {
        **_mlflow(run, context, own),
        **run.spec.environment_variables,
        **_environment(run, context, own),
    }
    return [
        _job(run, name, node, shares, world, env, config)
        for name, (node, shares) in zip(run.job_names, hosts, strict=True)
    ]


def _by_host(run: Run) -> Any:
    order = {node: k for k, node in enumerate(dict.fromkeys(s.node for s in run.placement))}
    members = sorted(enumerate(run.placement), key=lambda item: (order[item[1].node], item[0]))
    return groupby(members, key=lambda item: item[1].node)


def _job(
    run: Run,
    name: str,
    node: str,
    members: list[tuple[int, Share]],
    world: World | None,
    env: Mapping[str, str],
    config: Mapping[str, Any],
) -> Job:
    spec = run.spec
    gpus = tuple(gpu for _, share in members for gpu in share.gpus)
    return Job(
        name=name,
        run_id=run.id,
        attempt=run.attempt,
        script=spec.script,
        command=spec.command,
        arguments=spec.arguments,
        interpreter=spec.interpreter,
        env=env,
        inherits=spec.inherits,
        snapshot=spec.snapshot,
        ranks=tuple(_ranks(run, members)),
        world=world,
        node=node,
        gpus=gpus,
        hide_gpus=not gpus and bool(config.get("gpus")),
        cpus=spec.cpus * len(members),
        memory_mb=spec.memory_mb,
        shm_mb=spec.shm_mb,
        time_limit=spec.max_run_duration_seconds,
        grace=spec.grace_seconds,
        start=spec.start_method,
        preload=spec.preload or tuple(config.get("preload") or ()),
        image=spec.image,
        docker_arguments=spec.docker_arguments,
        environment=recipe(spec.environment) if spec.environment else None,
        outputs=spec.output_collection,
        watch=spec.directories_to_watch,
    )


def _ranks(run: Run, members: list[tuple[int, Share]]) -> list[Rank]:
    """Ranks are filled node by node; the processes of a node see all of its devices."""
    each = run.spec.processes_per_node
    return [
        Rank(rank=member * each + local, local_rank=local, node_rank=member, gpus=share.gpus)
        for member, share in members
        for local in range(each)
    ]


def _world(run: Run) -> World | None:
    spec = run.spec
    if spec.distribution is None and spec.node_count == 1 and spec.processes_per_node == 1:
        return None
    distribution = spec.distribution
    kind = distribution if isinstance(distribution, str | None) else distribution.model_dump()
    return World(spec.node_count * spec.processes_per_node, spec.node_count, kind)


def _environment(run: Run, context: RuntimeContext, token: str) -> dict[str, str]:
    env = {
        "AZUREML_RUN_ID": run.id,
        "AZUREML_RUN_TOKEN": token,
        "AZUREML_RUN_TOKEN_EXPIRY": "253402300799",
        "AZUREML_SERVICE_ENDPOINT": context.url,
        "AZUREML_ARM_SUBSCRIPTION": context.subscription,
        "AZUREML_ARM_RESOURCEGROUP": context.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": context.workspace,
        "AZUREML_ARM_PROJECT_NAME": run.spec.experiment,
        "AZUREML_OUTPUT_DIRECTORY": "./outputs",
        "DISPATCHER_ATTEMPT": str(run.attempt),
    }
    if run.spec.parent_id:
        env["DISPATCHER_PARENT_RUN_ID"] = run.spec.parent_id
    if context.socket:
        env["DISPATCHER_SERVICE_SOCKET"] = context.socket
    return env


def _mlflow(run: Run, context: RuntimeContext, token: str) -> dict[str, str]:
    """By these MLflow's client logs to this run; who has named another server has all of it."""
    if "MLFLOW_TRACKING_URI" in run.spec.environment_variables:
        return {}
    return {
        "MLFLOW_TRACKING_URI": context.url,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_NAME": run.spec.experiment,
    }
