"""Environments read from files and written as folders."""

from __future__ import annotations

import os

from dispatcher.client import checks
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.environments.conda_dependencies import (
    FILE,
    CondaDependencies,
    packages_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

    from dispatcher.client.v1.environments.environment import Environment

_DEFINITION = "azureml_environment.json"
_DOCKERFILE = "BaseDockerfile"


def with_packages(
    environment: Environment, conda: Optional[str], pip: Optional[str]
) -> Environment:
    """The environment with the packages of one of the two files; with neither, its own Python.

    Raises:
        UserErrorException: Both are given, or the file cannot be read.
    """
    checks.paths_or_none(conda_specification=conda, pip_requirements=pip)
    if conda is not None and pip is not None:
        raise UserErrorException("Give conda_specification or pip_requirements, not both.")
    if conda is not None:
        environment.python.conda_dependencies = CondaDependencies(conda)
    elif pip is not None:
        environment.python.conda_dependencies = CondaDependencies.create(pip_packages=_lines(pip))
    else:
        environment.python.user_managed_dependencies = True
    return environment


def of_conda(environment: Environment, name: str) -> Optional[Environment]:
    """What conda says of an environment of this machine."""
    import shutil
    import subprocess

    from dispatcher.client.v1.configs.yaml_text import parse

    program = os.environ.get("CONDA_EXE") or shutil.which("conda")
    if program is None:
        raise UserErrorException(
            "There is no conda on the PATH. Export the environment where there is one (`conda env "
            "export --no-builds > env.yml`), and use Environment.from_conda_specification."
        )
    export = subprocess.run(
        [program, "env", "export", "--name", name, "--no-builds"],
        capture_output=True,
        text=True,
        check=False,
    )
    if export.returncode != 0:
        return None
    facts = parse(export.stdout)
    facts.pop("prefix", None)
    environment.python.conda_dependencies = CondaDependencies(_underlying_structure=facts)
    return environment


def text_of(dockerfile: str) -> str:
    """A Dockerfile's text: of the file of that name, or the text itself."""
    if "\n" in dockerfile or not os.path.isfile(dockerfile):
        if "\n" not in dockerfile and not dockerfile.strip().upper().startswith("FROM "):
            raise UserErrorException(
                f"dockerfile: {dockerfile!r} is neither a file nor the text of a Dockerfile."
            )
        return dockerfile
    return _read(dockerfile)


def save(environment: Environment, path: str, overwrite: bool) -> None:
    """Write `azureml_environment.json`, `conda_dependencies.yml` and `BaseDockerfile`."""
    import json

    from dispatcher.client.v1.configs.files import to_dict

    if os.path.isdir(path) and not overwrite:
        raise UserErrorException(f"{path} is there already; set overwrite to write into it.")
    os.makedirs(path, exist_ok=True)
    fields = to_dict(environment)
    fields["python"].pop("condaDependencies", None)
    fields["docker"].pop("baseDockerfile", None)
    packages = packages_of(environment.python.conda_dependencies)
    dockerfile = environment.docker.base_dockerfile
    if packages is not None:
        packages.save(os.path.join(path, FILE))
    if dockerfile is not None:
        with open(os.path.join(path, _DOCKERFILE), "w", encoding="utf-8") as file:
            file.write(dockerfile)
    with open(os.path.join(path, _DEFINITION), "w", encoding="utf-8") as file:
        json.dump(fields, file, indent=4)
        file.write("\n")


def load(make: Callable[[str], Environment], path: str) -> Environment:
    """Read what `save` wrote into an environment that `make` makes of its name."""
    from dispatcher.client.v1.configs.files import fill
    from dispatcher.client.v1.configs.text import read

    definition = os.path.join(path, _DEFINITION)
    if not os.path.isfile(definition):
        raise UserErrorException(f"There is no environment in {path}: {definition} is missing.")
    fields = read(definition)
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        raise UserErrorException(f"{definition} is not an environment: it names none.")
    environment = make(fields["name"])
    fill(environment, fields, definition)
    packages, dockerfile = os.path.join(path, FILE), os.path.join(path, _DOCKERFILE)
    if os.path.isfile(packages):
        environment.python.conda_dependencies = CondaDependencies(packages)
    if os.path.isfile(dockerfile):
        environment.docker.base_dockerfile = _read(dockerfile)
    return environment


def _lines(path: Any) -> List[str]:
    """The requirements of a file. Raises UserErrorException for what leads to other files."""
    requirements = []
    for line in _read(path).replace("\\\n", " ").splitlines():
        text = " ".join(line.partition(" #")[0].split())
        if not text or text.startswith("#"):
            continue
        if text.split("=")[0].split()[0] in ("-r", "--requirement", "-c", "--constraint", "-e"):
            raise UserErrorException(
                f"{path}: {text!r} leads to a file that a run does not have; write it out."
            )
        requirements.append(text)
    return requirements


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise UserErrorException(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserErrorException(f"{path} cannot be read: it is not UTF-8 text.") from error
