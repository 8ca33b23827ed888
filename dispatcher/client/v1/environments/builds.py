"""Builds of environments ahead of runs: a run that does nothing but needs the environment."""

from __future__ import annotations

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.workspaces.experiment import Experiment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from dispatcher.client.v1.environments.environment import Environment
    from dispatcher.client.v1.runs.run import Run

EXPERIMENT = "prepare_image"  # v1's name for what only builds


def build(environment: Environment, workspace: Any, target: Optional[str]) -> ImageBuildDetails:
    """Have a target build the environment, by a run that does nothing else."""
    import shutil
    import tempfile

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

        all_names = names(self.run._service, self.run.id)
        build_logs = [name for name in all_names if name.startswith("azureml-logs/")]
        return read_text(self.run._service, self.run.id, build_logs[0]) if build_logs else ""

    def wait_for_completion(self, show_output: bool = True) -> ImageBuildDetails:
        """Wait until it is built. Raises ActivityFailedException if it cannot be."""
        self.run.wait_for_completion(show_output=show_output)
        return self

    def __repr__(self) -> str:
        return f"ImageBuildDetails(run: {self.run.id})"
