"""A registered model: files of a run under a name and a version."""
# ruff: noqa: ARG002, ARG004  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.api import models as api_models
from dispatcher.client.errors import ModelNotFoundException, ServiceException, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional

    from dispatcher.client.v1.runs.children import Filter
    from dispatcher.client.v1.runs.files import RunFiles
    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.workspace import Workspace


@checks.checked_class
class Model:
    """A model, as it was registered.

    Args:
        workspace: The workspace.
        name: The model's name; or
        id: `<name>:<version>`.
        tags, properties: Only a version that has these.
        version: The version; default: the latest.
        run_id: Only a version that this run made.

    Raises:
        ModelNotFoundException: There is none.

    Attributes:
        name: Its name.
        version: Its number among all models of that name, from 1.
        path: The file or folder of the run.
        run_id: The run.
        tags, properties, description, model_framework, model_framework_version: As they were given.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: Optional[str] = None,
        id: Optional[str] = None,
        tags: Filter = None,
        properties: Filter = None,
        version: Optional[int] = None,
        run_id: Optional[str] = None,
        model_framework: Optional[str] = None,
        _record: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> None:
        self.workspace = workspace
        record = _record
        if record is None:
            record = _find(workspace, name, id, tags, properties, version, run_id)
        self.name: str = record["name"]
        self.version: int = record["version"]
        self.path: str = record["path"]
        self._counts_as_latest: bool = record.get("counts_as_latest", True)
        self.run_id: str = record["run_id"]
        self.tags: Dict[str, Optional[str]] = dict(record.get("tags") or {})
        self.properties: Dict[str, Optional[str]] = dict(record.get("properties") or {})
        self.description: Optional[str] = record.get("description")
        self.model_framework: Optional[str] = record.get("framework")
        self.model_framework_version: Optional[str] = record.get("framework_version")

    @staticmethod
    def list(
        workspace: Workspace,
        name: Optional[str] = None,
        tags: Filter = None,
        properties: Filter = None,
        run_id: Optional[str] = None,
        latest: bool = False,
        **kwargs: Any,
    ) -> List[Model]:
        """The models that fit all filters, newest first; with `latest` one version of each."""
        checks.texts_or_none(name=name, run_id=run_id)
        checks.filters(tags=tags, properties=properties)
        records: Any = api_models.find(workspace.service, name)
        models = [Model(workspace, _record=record) for record in records]
        matching = [
            model
            for model in models
            if _fits(model.tags, tags)
            and _fits(model.properties, properties)
            and run_id in (None, model.run_id)
        ]
        if not latest:
            return matching
        newest: Dict[str, Model] = {}
        for model in matching:
            if not model._counts_as_latest:
                continue
            if model.name not in newest or newest[model.name].version < model.version:
                newest[model.name] = model
        return [model for model in matching if newest.get(model.name) is model]

    @staticmethod
    def register(*args: Any, **kwargs: Any) -> NoReturn:
        """A model is of a run. Raises UserErrorException, which says how."""
        raise UserErrorException(
            "Model.register: a model is made of a run's files. Upload the file and register it "
            "there: run.upload_file('model.pkl', path); run.register_model('name', 'model.pkl')."
        )

    @property
    def id(self) -> str:
        """`<name>:<version>`."""
        return f"{self.name}:{self.version}"

    @property
    def run(self) -> Run:
        """The run that made it. Raises ServiceException (404) when that was deleted."""
        return self.workspace.get_run(self.run_id)

    def download(self, target_dir: str = ".", exist_ok: bool = False) -> str:
        """Download the model below a folder, and return its path there.

        The model keeps its files when its run is deleted.

        Raises:
            UserErrorException: Something is there already, and not `exist_ok`.
        """
        import os

        from dispatcher.client.api.artifacts import RunArtifacts
        from dispatcher.client.v1.runs.files import path_below

        checks.paths(target_dir=target_dir)
        target = os.path.join(target_dir, self.path.rpartition("/")[2])
        if os.path.exists(target) and not exist_ok:
            raise UserErrorException(f"{target} is there already; set exist_ok to replace it.")
        parent = self.path.rpartition("/")[0]
        files = RunArtifacts(self.workspace.service, self.run_id)
        for file in files.find(self.path):
            if file.name == self.path or file.name.startswith(f"{self.path}/"):
                below = file.name[len(parent) + 1 :] if parent else file.name
                files.download(file, path_below(os.fspath(target_dir), below))
        return target

    def __repr__(self) -> str:
        return f"Model(name={self.name}, version={self.version}, path={self.path})"


def register(run: RunFiles, name: str, path: str, fields: Dict[str, Any]) -> Model:
    """Register files of a run as a model. Raises UserErrorException when there are none."""
    from dispatcher.client.v1.runs.tags import as_texts

    body = {key: value for key, value in fields.items() if value is not None}
    for labels in ("tags", "properties"):
        if labels in body:
            body[labels] = as_texts(body[labels])
    body = {**body, "name": name, "path": path.strip("/")}
    try:
        record: Any = api_models.register(run._service, run.id, body)
    except ServiceException as error:
        if error.status_code not in (404, 422):
            raise
        raise UserErrorException(error.message, inner_exception=error) from error
    return Model(run.experiment.workspace, _record=record)


def refuse_serving() -> NoReturn:
    """Models are not served here."""
    raise UserErrorException(
        "Models are not served: leave datasets, sample_input_dataset, sample_output_dataset "
        "and resource_configuration out of register_model; tags and properties can name them."
    )


def _find(
    workspace: Workspace,
    name: Optional[str],
    id: Optional[str],
    tags: Filter,
    properties: Filter,
    version: Optional[int],
    run_id: Optional[str],
) -> Dict[str, Any]:
    checks.texts_or_none(name=name, id=id)
    if id is not None:
        name, _, number = id.rpartition(":")
        if not name or not number.isdigit():
            raise UserErrorException(f"id: {id!r} is not a model's id: it is <name>:<version>.")
        version = int(number)
    if not name:
        raise UserErrorException("name: give a model's name, or its id.")
    if version is not None:
        checks.count("version", version)
    matching = [
        model
        for model in Model.list(workspace, name, tags, properties, run_id)
        if version in (None, model.version)
    ]
    if not matching:
        asked = name if version is None else f"{name}:{version}"
        raise ModelNotFoundException(
            f"ModelNotFound: Model {asked} not found in provided workspace {workspace.name}"
        )
    best = max(matching, key=lambda model: model.version)
    record = {key: value for key, value in vars(best).items() if key != "workspace"}
    record["framework"] = record.pop("model_framework")
    record["framework_version"] = record.pop("model_framework_version")
    return record


def _fits(values: Dict[str, Optional[str]], condition: Any) -> bool:
    if isinstance(condition, str):
        return condition in values
    return all(values.get(key, "") == value for key, value in (condition or {}).items())
