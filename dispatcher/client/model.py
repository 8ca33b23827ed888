"""A registered model: files of a run under a name and a version."""

from __future__ import annotations

from dispatcher.client.errors import ServiceException, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, NoReturn, Optional

    from dispatcher.client.run_files import RunFiles


class Model:
    """A model, as it was registered.

    Attributes:
        name: Its name.
        version: Its number among all models of that name, from 1.
        path: The file or folder of the run.
        run_id: The run.
        tags, properties, description: As they were given.
    """

    def __init__(self, run: RunFiles, record: Dict[str, Any]) -> None:
        self._run = run
        self.name: str = record["name"]
        self.version: int = record["version"]
        self.path: str = record["path"]
        self.run_id: str = run.id
        self.tags: Dict[str, Optional[str]] = dict(record.get("tags") or {})
        self.properties: Dict[str, Optional[str]] = dict(record.get("properties") or {})
        self.description: Optional[str] = record.get("description")

    @property
    def id(self) -> str:
        """`<name>:<version>`."""
        return f"{self.name}:{self.version}"

    def download(self, target_dir: str = ".", exist_ok: bool = False) -> str:
        """Download the model below a folder, and return its path there.

        Raises:
            UserErrorException: Something is there already, and not `exist_ok`.
        """
        import os

        target = os.path.join(target_dir, self.path.rpartition("/")[2])
        if os.path.exists(target) and not exist_ok:
            raise UserErrorException(f"{target} is there already; set exist_ok to replace it.")
        parent = self.path.rpartition("/")[0]
        for name in self._run.get_file_names():
            if name == self.path or name.startswith(f"{self.path}/"):
                below = name[len(parent) + 1 :] if parent else name
                self._run.download_file(name, os.path.join(target_dir, *below.split("/")))
        return target

    def __repr__(self) -> str:
        return f"Model(name={self.name}, version={self.version}, path={self.path})"


def register(run: RunFiles, name: str, path: str, told: Dict[str, Any]) -> Model:
    """Register files of a run as a model. Raises UserErrorException when there are none."""
    from dispatcher.client.run_tags import as_texts

    body = {key: value for key, value in told.items() if value is not None}
    for labels in ("tags", "properties"):
        if labels in body:
            body[labels] = as_texts(body[labels])
    body = {**body, "name": name, "path": path.strip("/")}
    try:
        record = run._service.post(f"{run._path}/models", body)
    except ServiceException as error:
        if error.status_code not in (404, 422):
            raise
        raise UserErrorException(error.message, inner_exception=error) from error
    return Model(run, record)


def refuse_serving() -> NoReturn:
    """Models are not served here."""
    raise UserErrorException(
        "Models are kept, not served: leave datasets, sample_input_dataset, sample_output_dataset "
        "and resource_configuration out of register_model; tags and properties can name them."
    )
