"""Environments that the service keeps under a name and a version."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.api import environments
from dispatcher.client.errors import ServiceException, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from dispatcher.client.api.records import EnvironmentRecord
    from dispatcher.client.v1.environments.environment import Environment

    Make = Callable[[str], Environment]  # makes an environment of its name


def register(environment: Environment, workspace: Any, make: Make) -> Environment:
    """Register it; the answer has its version. Raises UserErrorException if it cannot be."""
    from dispatcher.client.v1.configs.files import to_dict

    if environment.docker.build_context is not None:
        raise UserErrorException(
            "docker.build_context: a folder cannot be registered; runs take it from this machine. "
            "A Dockerfile without a folder can be: Environment.from_dockerfile(name, path)."
        )
    definition = to_dict(environment)
    definition["docker"].pop("buildContext", None)
    for name in ("name", "version", "assetId"):
        definition.pop(name, None)
    try:
        record = environments.register(workspace.service, environment.name, definition)
    except ServiceException as error:
        if error.status_code == 422:
            raise UserErrorException(error.message) from error
        raise
    return environment_of(record, make)


def get(
    workspace: Any,
    name: str,
    make: Make,
    version: Optional[str] = None,
    label: Optional[str] = None,
) -> Environment:
    """One version, by default the latest. Raises UserErrorException if it is not there."""
    checks.texts(name=name)
    if version is not None and label is not None:
        raise UserErrorException("Give version or label, not both.")
    if label is not None and label.lower() != "latest":
        raise UserErrorException(f"label: {label!r}; the one label is 'Latest'. Use versions.")
    return environment_of(view(workspace, name, version), make)


def view(workspace: Any, name: str, version: Optional[str] = None) -> EnvironmentRecord:
    """What the service says of a version. Raises UserErrorException if it is not there."""
    number = None
    if version is not None:
        if not str(version).isdigit() or not 0 < int(version) < 1 << 31:
            raise UserErrorException(f"version: {version!r}; versions are whole numbers from 1 on.")
        number = int(version)
    try:
        return environments.read(workspace.service, name, number)
    except ServiceException as error:
        if error.status_code == 404:
            raise UserErrorException(
                f"Error retrieving the environment definition: {error.message}. Curated "
                "environments are Azure's: make one with its packages, and register that."
            ) from error
        raise


def latest(workspace: Any, make: Make) -> Dict[str, Environment]:
    """The latest version of each, by name."""
    records = environments.read_all(workspace.service)
    return {record["name"]: environment_of(record, make) for record in records}


def environment_of(record: EnvironmentRecord, make: Make) -> Environment:
    """The environment that the service tells of."""
    from dispatcher.client.v1.configs.files import fill

    environment = make(record["name"])
    fill(environment, record["definition"], f"The registered environment {record['name']}")
    environment.version = record["version"]
    return environment
