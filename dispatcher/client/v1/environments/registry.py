"""Environments that the service keeps under a name and a version, and builds ahead of runs."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.errors import ServiceException, UserErrorException
from dispatcher.client.v1.environments.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from dispatcher.client.v1.runs.run import Run

EXPERIMENT = "prepare_image"  # v1's name for what only builds


def register(environment: Environment, workspace: Any) -> Environment:
    """Register it; the answer has its version. Raises UserErrorException if it cannot be."""
    from dispatcher.client.v1.configs.files import to_dict

    if environment.docker.build_context is not None:
        raise UserErrorException(
            "docker.build_context: a folder cannot be registered; runs take it from this machine. "
            "A Dockerfile without a folder can be: Environment.from_dockerfile(name, path)."
        )
    told = to_dict(environment)
    told["docker"].pop("buildContext", None)
    for name in ("name", "version", "assetId"):
        told.pop(name, None)
    body = {"name": environment.name, "definition": told}
    try:
        return environment_of(workspace.service.post("/environments", body))
    except ServiceException as error:
        if error.status_code == 422:
            raise UserErrorException(error.message) from error
        raise


def get(
    workspace: Any, name: str, version: Optional[str] = None, label: Optional[str] = None
) -> Environment:
    """One version, by default the latest. Raises UserErrorException if it is not there."""
    checks.texts(name=name)
    if version is not None and label is not None:
        raise UserErrorException("Give version or label, not both.")
    if label is not None and label.lower() != "latest":
        raise UserErrorException(f"label: {label!r}; the one label is 'Latest'. Use versions.")
    return environment_of(view(workspace, name, version))


def view(workspace: Any, name: str, version: Optional[str] = None) -> Dict[str, Any]:
    """What the service says of a version. Raises UserErrorException if it is not there."""
    from urllib.parse import quote

    path = f"/environments/{quote(name, safe='')}"
    if version is not None:
        if not str(version).isdigit() or not 0 < int(version) < 1 << 31:
            raise UserErrorException(f"version: {version!r}; versions are whole numbers from 1 on.")
        path += f"/versions/{int(version)}"
    try:
        found: Dict[str, Any] = workspace.service.get(path)
    except ServiceException as error:
        if error.status_code == 404:
            raise UserErrorException(
                f"Error retrieving the environment definition: {error.message}. Curated "
                "environments are Azure's: make one with its packages, and register that."
            ) from error
        raise
    return found


def latest(workspace: Any) -> Dict[str, Environment]:
    """The latest version of each, by name."""
    found = workspace.service.get("/environments")["environments"]
    return {one["name"]: environment_of(one) for one in found}


def environment_of(told: Dict[str, Any]) -> Environment:
    """The environment that the service tells of."""
    from dispatcher.client.v1.configs.files import fill

    made = Environment(told["name"])
    fill(made, told["definition"], f"The registered environment {told['name']}")
    made.version = told["version"]
    return made


def build(environment: Environment, workspace: Any, target: Optional[str]) -> ImageBuildDetails:
    """Have a target build the environment, by a run that does nothing else."""
    import shutil
    import tempfile

    from dispatcher.client.v1.configs.run_configuration import RunConfiguration
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
    from dispatcher.client.v1.workspaces.experiment import Experiment

    config = RunConfiguration()
    config.environment = environment
    config.target = target or "local"
    folder = tempfile.mkdtemp()
    try:
        script = ScriptRunConfig(folder, command=["true"], run_config=config)
        run = Experiment(workspace, EXPERIMENT).submit(script)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ImageBuildDetails(run)


class ImageBuildDetails:
    """A build, as v1 tells of it.

    Args:
        run: The run that builds.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def status(self) -> str:
        """v1's words: Running, Succeeded, Failed or Canceled."""
        words = {"Completed": "Succeeded", "Failed": "Failed", "Canceled": "Canceled"}
        return words.get(self.run.get_status(), "Running")

    def get_log(self) -> str:
        """The build's log; empty where nothing had to be built."""
        from dispatcher.client.api.logs import names, read_text

        found = names(self.run._service, self.run.id)
        mine = [name for name in found if name.startswith("azureml-logs/")]
        return read_text(self.run._service, self.run.id, mine[0]) if mine else ""

    def wait_for_completion(self, show_output: bool = True) -> ImageBuildDetails:
        """Wait until it is built. Raises ActivityFailedException if it cannot be."""
        self.run.wait_for_completion(show_output=show_output)
        return self

    def __repr__(self) -> str:
        return f"ImageBuildDetails(run: {self.run.id})"
