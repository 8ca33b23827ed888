"""The files that `folder attach` writes: the config, sample run configurations, ignore rules."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.workspaces import config as workspace_config

CONDA_FILE = "conda_dependencies.yml"
IGNORED = """\
.ipynb_checkpoints
azureml-logs
.azureml
.dispatcher
.git
.venv
venv
__pycache__
outputs
"""
CONDA = f"""\
# The packages of runs whose configuration has userManagedDependencies: false.
name: project_environment
dependencies:
  - python={sys.version_info.major}.{sys.version_info.minor}
  - pip:
      - azureml-defaults
"""
_EXPERIMENT = "experiment_name"


def experiment_of(path: Path) -> str | None:
    """The experiment that the folder was attached with; None without one."""
    try:
        config_path = workspace_config.find(str(path))
        fields = json.loads(Path(config_path).read_text(encoding="utf-8"))
    except (UserErrorException, OSError, ValueError):
        return None  # the search for the workspace reports its errors
    name = fields.get(_EXPERIMENT) if isinstance(fields, dict) else None
    return name if isinstance(name, str) and name else None


def remember_experiment(folder: Path, name: str) -> None:
    """Store the experiment of an attached folder."""
    file = folder / ".azureml" / "config.json"
    fields = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**fields, _EXPERIMENT: name}, indent=4) + "\n", encoding="utf-8")


def write_samples(folder: Path, targets: Iterable[Mapping[str, Any]]) -> list[str]:
    """Write the missing files: .amlignore, conda_dependencies.yml, run configurations.

    `local` and `sklearn` use the interpreter's packages, `docker` uses a container. Each target
    gets a configuration with its name.

    Returns:
        The files that were written, relative to the folder.
    """
    configs = {
        "local": _config("local"),
        "docker": _config("docker", in_container=True),
        "sklearn": _config("local"),
    }
    for target in targets:
        if target["name"] not in configs:
            configs[target["name"]] = _config(target["name"], target["kind"] == "docker")
    written = [
        *_write(folder, ".amlignore", IGNORED),
        *_write(folder, f".azureml/{CONDA_FILE}", CONDA),
    ]
    for name, config in configs.items():
        file = f"{name}.runconfig"
        if not (folder / ".azureml" / file).exists():
            config.save(str(folder), file)
            written.append(f".azureml/{file}")
    return written


def _config(target: str, in_container: bool = False) -> RunConfiguration:
    config = RunConfiguration(script="train.py")
    config.target = target
    config.environment.python.user_managed_dependencies = True
    config.environment.python.conda_dependencies = None  # saving them would replace the file
    config.environment.python.conda_dependencies_file = CONDA_FILE
    config.docker.use_docker = in_container
    return config


def _write(folder: Path, name: str, text: str) -> list[str]:
    file = folder / name
    if file.exists():
        return []
    file.write_text(text, encoding="utf-8")
    return [name]
