"""All that handlers may call."""

from dataclasses import dataclass

from dispatcher.access.secrets import SecretStore
from dispatcher.access.sessions import SessionService
from dispatcher.access.tokens import TokenService
from dispatcher.engine.loop import Engine
from dispatcher.server.data_folder import DataFolder, Whereabouts
from dispatcher.server.idempotency import Idempotency
from dispatcher.services.artifacts import ArtifactService
from dispatcher.services.catalog import Catalog
from dispatcher.services.charts import ChartService
from dispatcher.services.collection.service import CollectionService
from dispatcher.services.deletion import DeletionService
from dispatcher.services.environments import EnvironmentService
from dispatcher.services.event_broadcast import EventBroadcast
from dispatcher.services.explaining import ExplainService
from dispatcher.services.heartbeats import Heartbeats
from dispatcher.services.inheritances import Inheritances
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
from dispatcher.store.contract import Store
from dispatcher.wire.identity import ServiceIdentity
from dispatcher.wire.process_identity import ProcessIdentity


@dataclass(frozen=True)
class Services:
    """All that handlers may call."""

    store: Store
    access: TokenService
    sessions: SessionService
    secrets: SecretStore
    status: StatusService
    submission: SubmissionService
    sweeps: SweepService
    tracking: TrackingService
    snapshots: SnapshotService
    inheritances: Inheritances
    artifacts: ArtifactService
    models: ModelService
    overviews: OverviewService
    catalog: Catalog
    charts: ChartService
    deletion: DeletionService
    collection: CollectionService
    usage: UsageService
    environments: EnvironmentService
    heartbeats: Heartbeats
    parking: ParkingService
    explaining: ExplainService
    waiters: Waiters
    events: EventBroadcast
    engine: Engine
    idempotency: Idempotency
    mlflow: MlflowServices
    service_id: str
    version: str
    folder: DataFolder
    process: ProcessIdentity

    def identity(self) -> ServiceIdentity:
        """Who this service is, as it is now."""
        return ServiceIdentity(
            self.service_id,
            self.version,
            str(self.folder.path),
            self.folder.file_id,
            self.folder.whereabouts() is Whereabouts.IN_PLACE,
            self.process,
            self.folder.provenance.copied_from,
        )
