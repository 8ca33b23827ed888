"""MLflow's request messages, with MLflow's limits."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from dispatcher.core.runs.spec import clean

MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_ENTITIES = 1000, 100, 100, 1000
MAX_MILLISECONDS = 2_000_000_000_000_000
MAX_STEP = (1 << 63) - 1

Id = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(clean)]
# The rule of `clean` as a pattern, which pydantic checks faster: a batch has a thousand keys.
Key = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^\x00]*$")]
Text = Annotated[str, StringConstraints(max_length=8000), AfterValidator(clean)]
Long = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(clean)]
Name = Annotated[str, StringConstraints(max_length=250), AfterValidator(clean)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(clean)]
Huge = Annotated[str, StringConstraints(max_length=16_777_215), AfterValidator(clean)]
Milliseconds = Annotated[int, Field(ge=0, le=MAX_MILLISECONDS)]
Moment = Annotated[int, Field(ge=0, le=253_402_300_799_000)]  # the year 9999, the last of datetime
Step = Annotated[int, Field(ge=-MAX_STEP - 1, le=MAX_STEP)]
RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
ViewType = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
ModelStatus = Literal[
    "LOGGED_MODEL_STATUS_UNSPECIFIED",
    "LOGGED_MODEL_PENDING",
    "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED",
]


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Pair(Message):
    key: Key
    value: Text = ""


class ExperimentPair(Message):
    key: Key
    value: Long = ""


class ParamPair(Message):
    key: Key
    value: Annotated[str, StringConstraints(max_length=6000), AfterValidator(clean)] = ""


class MetricPoint(Message):
    key: Key
    value: float
    timestamp: Milliseconds
    step: Step = 0


class RunMessage(Message):
    """A call about a run; `run_uuid` is the older name of `run_id`."""

    run_id: Id | None = None
    run_uuid: Id | None = None

    @model_validator(mode="after")
    def _has_id(self) -> "RunMessage":
        if not (self.run_id or self.run_uuid):
            raise ValueError("run_id is missing")
        return self

    @property
    def run(self) -> str:
        return self.run_id or self.run_uuid or ""


class LogMetric(RunMessage, MetricPoint):
    pass


class LogParam(RunMessage, ParamPair):
    pass


class SetTag(RunMessage, Pair):
    pass


class DeleteTag(RunMessage):
    key: Key


class LogBatch(RunMessage):
    metrics: Annotated[list[MetricPoint], Field(max_length=MAX_METRICS)] = []
    params: Annotated[list[ParamPair], Field(max_length=MAX_PARAMS)] = []
    tags: Annotated[list[Pair], Field(max_length=MAX_TAGS)] = []

    @model_validator(mode="after")
    def _is_small(self) -> "LogBatch":
        count = len(self.metrics) + len(self.params) + len(self.tags)
        if count > MAX_ENTITIES:
            raise ValueError(f"{count} metrics, params and tags in one batch; at most 1000")
        return self


class CreateRun(Message):
    experiment_id: Id = "0"
    user_id: Name | None = None
    run_name: Name | None = None
    start_time: Moment | None = None
    tags: Annotated[list[Pair], Field(max_length=1000)] = []


class UpdateRun(RunMessage):
    status: RunStatus | None = None
    end_time: Moment | None = None
    run_name: Name | None = None


class SearchRuns(Message):
    experiment_ids: Annotated[list[Id], Field(max_length=1000)] = []
    filter: str = ""
    run_view_type: ViewType = "ACTIVE_ONLY"
    max_results: Annotated[int, Field(ge=0, le=50_000)] = 1000
    order_by: Annotated[list[str], Field(max_length=100)] = []
    page_token: str = ""


class Dataset(Message):
    name: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(clean)]
    digest: Annotated[str, StringConstraints(min_length=1, max_length=36), AfterValidator(clean)]
    source_type: Long = ""
    source: Annotated[str, StringConstraints(max_length=65_535), AfterValidator(clean)] = ""
    schema_: Annotated[Huge | None, Field(alias="schema")] = None
    profile: Huge | None = None


class DatasetInput(Message):
    dataset: Dataset
    tags: Annotated[list[Pair], Field(max_length=100)] = []


class ModelInput(Message):
    model_id: Id


class LogInputs(RunMessage):
    datasets: Annotated[list[DatasetInput], Field(max_length=1000)] = []
    models: Annotated[list[ModelInput], Field(max_length=1000)] = []


class ModelOutput(Message):
    model_id: Id
    step: Step = 0


class LogOutputs(RunMessage):
    models: Annotated[list[ModelOutput], Field(max_length=1000)] = []


class LogModel(RunMessage):
    model_json: Annotated[str, StringConstraints(max_length=1_000_000), AfterValidator(clean)]


class CreateExperiment(Message):
    name: Title
    artifact_location: str | None = None
    tags: Annotated[list[ExperimentPair], Field(max_length=1000)] = []


class ExperimentMessage(Message):
    experiment_id: Id


class UpdateExperiment(ExperimentMessage):
    new_name: (
        Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(clean)]
        | None
    ) = None


class SetExperimentTag(ExperimentMessage, ExperimentPair):
    pass


class DeleteExperimentTag(ExperimentMessage):
    key: Key


class SearchExperiments(Message):
    max_results: Annotated[int, Field(ge=0, le=50_000)] = 1000
    page_token: str = ""
    filter: str = ""
    order_by: Annotated[list[str], Field(max_length=100)] = []
    view_type: ViewType = "ACTIVE_ONLY"


class CreateModel(Message):
    experiment_id: Id = "0"
    name: Name | None = None
    model_type: Name | None = None
    source_run_id: Id | None = None
    params: Annotated[list[ParamPair], Field(max_length=1000)] = []
    tags: Annotated[list[Pair], Field(max_length=1000)] = []


class FinalizeModel(Message):
    status: ModelStatus


class ModelTags(Message):
    tags: Annotated[list[Pair], Field(max_length=1000)] = []


class ModelParams(Message):
    params: Annotated[list[ParamPair], Field(max_length=1000)] = []


class ModelOrder(Message):
    field_name: str
    ascending: bool = True


class SearchModels(Message):
    experiment_ids: Annotated[list[Id], Field(max_length=1000)] = []
    filter: str = ""
    max_results: Annotated[int, Field(ge=0, le=1000)] = 50
    order_by: Annotated[list[ModelOrder], Field(max_length=100)] = []
    page_token: str = ""
