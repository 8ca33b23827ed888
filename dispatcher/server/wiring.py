"""The composition root: where stores, services, engine and targets are made and joined, and where
the clock is read.
"""

import logging
import os
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dispatcher.access.keys import signing_key
from dispatcher.access.secrets import SecretStore
from dispatcher.access.sessions import SessionService
from dispatcher.access.tokens import TokenService
from dispatcher.core.runs.lifecycle import Run
from dispatcher.engine.loop import Engine
from dispatcher.engine.sweep_driver import SweepServices
from dispatcher.engine.sweeper import Sweeper
from dispatcher.engine.workers.live_targets import LiveTargets
from dispatcher.server.calls import CallStore
from dispatcher.server.copied_folder import delete_copied_nodes, make_own
from dispatcher.server.data_folder import DataFolder
from dispatcher.server.idempotency import Idempotency
from dispatcher.server.instance import instance_name, leader_eligibility
from dispatcher.server.services import Services
from dispatcher.server.settings import Settings
from dispatcher.server.target_builder import TargetBuilder, move_secrets
from dispatcher.services.artifacts import ArtifactService
from dispatcher.services.catalog import Catalog
from dispatcher.services.charts import ChartService
from dispatcher.services.collection.contents import ContentCollector
from dispatcher.services.collection.logs import LogCollector
from dispatcher.services.collection.runs import RunCollector
from dispatcher.services.collection.service import CollectionService, stored_rules
from dispatcher.services.collection.timer import CollectionTimer
from dispatcher.services.deletion import DeletionService
from dispatcher.services.environments import EnvironmentService
from dispatcher.services.event_broadcast import EventBroadcast
from dispatcher.services.explaining import ExplainService
from dispatcher.services.heartbeats import Heartbeats
from dispatcher.services.inheritances import Inheritances
from dispatcher.services.launching import RuntimeContext, jobs_for
from dispatcher.services.mlflow.artifacts import MlflowArtifacts
from dispatcher.services.mlflow.experiments import MlflowExperiments
from dispatcher.services.mlflow.models import MlflowModels
from dispatcher.services.mlflow.runs import MlflowRuns
from dispatcher.services.mlflow.services import MlflowServices
from dispatcher.services.models import ModelService
from dispatcher.services.overviews import OverviewService
from dispatcher.services.parking import ParkingService
from dispatcher.services.snapshots import SnapshotService
from dispatcher.services.status import StatusService
from dispatcher.services.submission import SubmissionService
from dispatcher.services.sweeps.service import SweepService
from dispatcher.services.tracking import TrackingService
from dispatcher.services.usage import UsageService
from dispatcher.services.waiters import Waiters
from dispatcher.store.content.blobs import Blobs, Logs
from dispatcher.store.content.uploads import Uploads
from dispatcher.store.leases.contract import Holder
from dispatcher.store.sql import SqlStore
from dispatcher.wire.process_identity import ProcessIdentity
from targets.config import parse
from targets.service_address import ServiceAddress

log = logging.getLogger(__name__)

# What every installation has before anything is attached: this machine, under v1's two names for
# it.
DEFAULT_TARGETS = ("local", "cpu")


@dataclass(frozen=True)
class Application:
    """All parts of a service process, joined."""

    services: Services
    engine: Engine
    sweeper: Sweeper
    live_targets: LiveTargets
    store: SqlStore
    collection_timer: CollectionTimer
    own_folder: DataFolder | None  # that `close` releases

    def close(self) -> None:
        self.services.heartbeats.stop()
        self.collection_timer.stop()
        self.sweeper.stop()
        self.engine.stop()
        self.live_targets.close()
        self.store.close()
        if self.own_folder is not None:
            self.own_folder.close()


def build(
    settings: Settings, url: str, token: str, locked: DataFolder | None = None
) -> Application:
    """Make and join everything, and start the engine.

    Args:
        settings: The service's settings.
        url: How the service is reached.
        token: The owner's token.
        locked: The data folder, if the caller has locked it; else it is locked until `close`.

    Raises AlreadyRunning, StoreUnavailable, WrongKey.
    """
    folder = locked or DataFolder(settings.data_dir)
    store = SqlStore(settings.store_url)
    if folder.provenance.copied_from is not None and _owns_database(settings):
        make_own(store, folder.provenance.copied_from, time.time())
    delete_copied_nodes(settings.data_dir)
    calls = CallStore(store)  # what services write to: the caller is the actor of its events
    status = StatusService(calls, time.time)
    service_id = store.write(lambda tx: tx.registry.meta("service_id", uuid.uuid4().hex))
    secret_store = SecretStore(settings.data_dir, os.environ)
    key = signing_key(settings.data_dir, store, settings.signing_key)
    access = TokenService(store, key, token, settings.owner_name)
    context = RuntimeContext(
        service_id,
        url,
        str(settings.socket),
        workspace=settings.workspace,
        subscription=settings.subscription,
        resource_group=settings.resource_group,
    )
    site = ServiceAddress(
        service_id=service_id,
        root=settings.data_dir / "nodes",
        inheritances=settings.data_dir / "inheritances",
        socket_dir=settings.socket_dir,
        service_socket=settings.socket,
        service_url=url,
        job_umask=settings.job_umask,
        job_files=settings.job_files,
        cache_limits=_cache_limits(store),
    )

    def jobs(run: Run) -> list[Any]:
        config = live_targets.config(run.spec.target)
        made = jobs_for(run, context, access.run_token, config)
        return [replace(job, env=_resolved(job.env, secret_store)) for job in made]

    factory = TargetBuilder(site, access.agent_token, secret_store)
    move_secrets(store, factory)
    engine = Engine(
        store, status, jobs, _holder(settings), time.time, leader_eligibility(store, settings)
    )
    live_targets = LiveTargets(store, factory, engine.post)
    _attach_defaults(store)
    sweeper = Sweeper(store)
    services = _services(
        settings,
        store,
        calls,
        status,
        access,
        SessionService(store, key, time.time),
        secret_store,
        engine,
        live_targets,
        sweeper,
        service_id,
        folder,
    )
    services.tracking.on_metrics(sweeper.notify_metrics)
    services.mlflow.runs.on_metrics(sweeper.notify_metrics)
    engine.start(live_targets)
    parts = (store, status, services.submission, services.tracking, services.sweeps, time.time)
    sweeper.start(SweepServices(*parts), lambda: engine.fence)
    services.heartbeats.start()
    timer = CollectionTimer(services.collection)
    timer.start()
    own_folder = None if locked else folder
    return Application(services, engine, sweeper, live_targets, store, timer, own_folder)


def _services(
    settings: Settings,
    database: SqlStore,
    store: CallStore,
    status: StatusService,
    access: TokenService,
    sessions: SessionService,
    secret_store: SecretStore,
    engine: Engine,
    live_targets: LiveTargets,
    sweeper: Sweeper,
    service_id: str,
    folder: DataFolder,
) -> Services:
    blobs, logs = Blobs(settings.blobs), Logs(Path(settings.data_dir) / "logs")
    snapshots = SnapshotService(blobs, store)
    uploads = Uploads(blobs, Path(settings.data_dir) / "uploads")
    catalog = Catalog(store, live_targets, time.time)
    deletion = DeletionService(store, logs, time.time)
    contents = ContentCollector(store, blobs, time.time)
    log_collector = LogCollector(store, logs, time.time)
    run_collector = RunCollector(store, deletion, logs, time.time)
    collection = CollectionService(
        store, deletion, run_collector, contents, log_collector, uploads, time.time
    )
    collection.recover()
    inheritances = Inheritances(Path(settings.data_dir) / "inheritances")
    submission = SubmissionService(store, catalog, snapshots, inheritances, secret_store, time.time)
    return Services(
        store=store,
        access=access,
        sessions=sessions,
        secrets=secret_store,
        status=status,
        submission=submission,
        sweeps=SweepService(store, submission, sweeper.notify),
        tracking=TrackingService(store, logs),
        snapshots=snapshots,
        inheritances=inheritances,
        artifacts=ArtifactService(store, blobs, uploads, time.time),
        models=ModelService(store, time.time),
        overviews=OverviewService(store),
        catalog=catalog,
        charts=ChartService(store),
        deletion=deletion,
        collection=collection,
        usage=UsageService(store, Path(settings.data_dir), blobs.folder),
        environments=EnvironmentService(store, time.time),
        heartbeats=Heartbeats(
            store,
            status,
            time.time,
            time.monotonic,
            settings.interactive_end_seconds,
            shared=settings.shared,
        ),
        parking=ParkingService(store, status, live_targets),
        explaining=ExplainService(store, live_targets),
        waiters=Waiters(store),
        events=EventBroadcast(store),
        engine=engine,
        idempotency=Idempotency(
            database,
            time.time,
            process=f"{os.getpid()}-{secrets.token_hex(4)}",
            shared=settings.shared,
        ),
        mlflow=MlflowServices(
            MlflowExperiments(store, time.time),
            MlflowRuns(store, submission, status, time.time),
            MlflowModels(store, time.time),
            MlflowArtifacts(store, blobs, Path(settings.data_dir) / "uploads", time.time),
        ),
        service_id=service_id,
        version=version("compute-target-dispatcher"),
        folder=folder,
        process=ProcessIdentity.own(),
    )


def _owns_database(settings: Settings) -> bool:
    """Whether the database lies in the data folder, and so was copied with it."""
    file = settings.database_file
    return file is not None and file.parent.resolve() == settings.data_dir.resolve()


def _cache_limits(store: SqlStore) -> dict[str, int | None]:
    """How many bytes of each cache a node keeps."""
    rules = stored_rules(store)
    return {
        "snapshots": rules.node_snapshots_bytes,
        "environments": rules.node_environments_bytes,
    }


def _resolved(env: Mapping[str, str], secret_store: SecretStore) -> dict[str, str]:
    """The variables of a job with its secrets in place. Raises SecretNotFound."""
    return {name: secret_store.resolve(value) for name, value in env.items()}


def _holder(settings: Settings) -> Holder:
    """Who takes the engine's lease.

    A service holds a lock on its data folder, so no other process has the same instance name. So it
    need not wait for the lease of a killed predecessor to run out.
    """
    instance = instance_name(settings) if settings.shared else "embedded"
    return Holder(instance, f"{os.getpid()}-{secrets.token_hex(4)}")


def _attach_defaults(store: SqlStore) -> None:
    """This machine, on the first start; who detaches it is not contradicted later."""
    if store.write(lambda tx: tx.registry.meta("defaults", "due")) != "due":
        return
    if store.read(lambda tx: tx.registry.targets()):
        return

    def work(tx: Any) -> None:
        for name in DEFAULT_TARGETS:
            tx.registry.put_target(name, parse({"kind": "local", "name": name}).store())

    store.write(work)
