"""Run configurations as files: v1's YAML, in camelCase; snake_case and JSON are read too.

Names that the user made (environment variables) keep their spelling.
"""

from __future__ import annotations

import os

from dispatcher.client.config import RunConfiguration
from dispatcher.client.errors import UserErrorException
from dispatcher.client.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_CONDA = "conda_dependencies.yml"
_USERS_OWN = frozenset(
    {"environment_variables", "data", "data_references", "output_data", "services", "max_retries"}
)


def save(
    config: RunConfiguration, path: Optional[str], name: Optional[str], separate: bool
) -> None:
    """Write a configuration; see `RunConfiguration.save`."""
    target = _target(path, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    told = to_dict(config)
    conda = told["environment"]["python"].pop("condaDependencies", None)
    if conda is not None:
        beside = os.path.join(os.path.dirname(target), _CONDA)
        _write(beside, conda.as_dict() if hasattr(conda, "as_dict") else conda)
        told["environment"]["python"]["condaDependenciesFile"] = _CONDA
    if separate:
        _write(os.path.join(os.path.dirname(target), "environment.yml"), told["environment"])
        told["environment"] = "environment.yml"
    _write(target, told)


def load(path: str, name: Optional[str]) -> RunConfiguration:
    """Read a configuration; see `RunConfiguration.load`."""
    file = _found(path, name)
    told = _read(file)
    if not isinstance(told, dict):
        raise UserErrorException(f"{file} is no run configuration: it holds no mapping.")
    folder = os.path.dirname(file)
    if isinstance(told.get("environment"), str):
        told["environment"] = _read(os.path.join(folder, told["environment"]))
    config = from_dict(told)
    beside = config.environment.python.conda_dependencies_file
    if beside and config.environment.python.conda_dependencies is None:
        for base in (folder, os.path.dirname(folder)):
            if os.path.isfile(os.path.join(base, beside)):
                config.environment.python.conda_dependencies = _read(os.path.join(base, beside))
                break
    return config


def delete(path: str, name: str) -> None:
    """Remove a configuration's file. Raises UserErrorException when there is none."""
    os.remove(_found(path, name))


def to_dict(section: Section) -> Dict[str, Any]:
    """A section in camelCase; what is private in it is shown by its property."""
    told = {}
    for key, value in section.__dict__.items():
        if key == "_sealed":
            continue
        own = value if key.lstrip("_") in _USERS_OWN else _shown(value)
        told[_camel(key.lstrip("_"))] = own
    return told


def from_dict(told: Dict[str, Any]) -> RunConfiguration:
    """The configuration that a mapping describes; few keys suffice, unknown ones are ignored."""
    config = RunConfiguration()
    _fill(config, told)
    return config


def _fill(section: Section, told: Dict[str, Any]) -> None:
    for key, value in told.items():
        name = _snake(str(key))
        if name.startswith("_") or not hasattr(section, name):
            continue
        current = getattr(section, name)
        if isinstance(current, Section) and isinstance(value, dict):
            _fill(current, value)
        elif value is not None or current is None or isinstance(current, int):
            setattr(section, name, value)


def _shown(value: Any) -> Any:
    return to_dict(value) if isinstance(value, Section) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def _target(path: Optional[str], name: Optional[str]) -> str:
    folder = os.path.abspath(path or ".")
    if os.path.isdir(folder):
        if not name:
            raise UserErrorException("save() needs a name for the configuration in a folder.")
        old = os.path.join(folder, "aml_config")
        return os.path.join(old if os.path.isdir(old) else os.path.join(folder, ".azureml"), name)
    if name or not os.path.isdir(os.path.dirname(folder)):
        raise FileNotFoundError(f"{folder} does not exist.")
    return folder


def _found(path: str, name: Optional[str]) -> str:
    base = os.path.abspath(path)
    if name is None:
        candidates = [base]
    else:
        places = [os.path.join(base, kind, name) for kind in (".azureml", "aml_config", "")]
        candidates = [each for place in places for each in (place, f"{place}.runconfig")]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return candidate
    raise UserErrorException(f"No run configuration {name or path!r}; looked for {candidates}.")


def _read(path: str) -> Any:
    yaml = _yaml()
    try:
        with open(path, encoding="utf-8") as file:
            return yaml.safe_load(file)  # JSON is YAML
    except (OSError, yaml.YAMLError) as error:
        raise UserErrorException(f"{path} cannot be read: {error}") from error


def _write(path: str, told: Any) -> None:
    with open(path, "w", encoding="utf-8") as file:
        _yaml().safe_dump(told, file, sort_keys=False, default_flow_style=False)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise UserErrorException(
            "Run configuration files need PyYAML: `pip install pyyaml`."
        ) from error
    return yaml
