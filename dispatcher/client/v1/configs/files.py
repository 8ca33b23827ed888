"""Run configurations as files: v1's YAML, in camelCase; snake_case and JSON are read too.

Names that the user made (environment variables) keep their spelling.
"""

from __future__ import annotations

import errno
import os

from dispatcher.client.absolute_path import absolute
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs import text as config_text
from dispatcher.client.v1.configs.sections import Section
from dispatcher.client.v1.environments.conda_dependencies import (
    FILE,
    CondaDependencies,
    packages_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional

    from dispatcher.client.v1.configs.run_configuration import RunConfiguration

_ENVIRONMENT = "environment.yml"
_USERS_OWN = frozenset(
    {"environment_variables", "data", "data_references", "output_data", "services", "max_retries"}
)
# v1's older fields: read, and without a meaning any more.
_FORGOTTEN = frozenset({"autoprepareenvironment", "autoclustercomputespecification"})
_WHOLE = frozenset({"node_count", "priority", "process_count", "gpus", "memory_mb"})
_NUMBERS = frozenset({"max_run_duration_seconds", "cpus", "grace_seconds"})
_FREE = frozenset({"application_endpoints", "r", "build_context"})


def save(
    config: RunConfiguration, path: Optional[str], name: Optional[str], separate: bool
) -> None:
    """Write a configuration; see `RunConfiguration.save`."""
    target = _target(path, name)
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    fields = to_dict(config)
    packages = packages_of(config.environment.python.conda_dependencies)
    fields["environment"]["python"].pop("condaDependencies", None)
    if packages is not None:
        packages.save(os.path.join(folder, FILE))
        fields["environment"]["python"]["condaDependenciesFile"] = FILE
    if separate:
        config_text.write(os.path.join(folder, _ENVIRONMENT), fields["environment"])
        fields["environment"] = _ENVIRONMENT
    config_text.write(target, fields)


def load(config: RunConfiguration, path: str, name: Optional[str]) -> RunConfiguration:
    """Read a file into a new configuration; see `RunConfiguration.load`."""
    file = _found(path, name)
    fields = config_text.read(file)
    if not isinstance(fields, dict):
        raise UserErrorException(f"{file} is not a run configuration: it holds no mapping.")
    folder = os.path.dirname(file)
    if isinstance(fields.get("environment"), str):
        fields = {
            **fields,
            "environment": config_text.read(os.path.join(folder, fields["environment"])),
        }
    fill(config, fields, file)
    packages_file = config.environment.python.conda_dependencies_file
    if packages_file and not _has_packages(fields):
        for base in (folder, os.path.dirname(folder)):
            if os.path.isfile(os.path.join(base, packages_file)):
                packages = CondaDependencies(os.path.join(base, packages_file))
                config.environment.python.conda_dependencies = packages
                break
    return config


def delete(path: str, name: str) -> None:
    """Remove a configuration's file. Raises UserErrorException when there is none."""
    os.remove(_found(path, name))


def to_dict(section: Section) -> Dict[str, Any]:
    """A section in camelCase; what is private in it is shown by its property."""
    fields = {}
    for key, value in section.__dict__.items():
        name = key.lstrip("_")
        if key == "_sealed" or (key != name and not hasattr(type(section), name)):
            continue
        fields[_camel(name)] = value if name in _USERS_OWN else _shown(value)
    return fields


def fill(section: Section, fields: Dict[str, Any], where: str) -> None:
    """Set the fields of a section that a mapping names; few keys suffice.

    Raises:
        UserErrorException: A field is unknown, or its value is of the wrong kind.
    """
    for key, value in fields.items():
        names = {name.replace("_", ""): name for name in _names(section)}
        name = names.get(str(key).replace("_", "").lower(), "")
        if str(key).replace("_", "").lower() in _FORGOTTEN:
            continue
        if not name:
            known = ", ".join(sorted(map(_camel, names.values())))
            raise UserErrorException(f"{where} has an unknown field, {key!r}; there are: {known}.")
        _set(section, name, value, f"{where}: {key}")


def _set(section: Section, name: str, value: Any, where: str) -> None:
    current = getattr(section, name)
    if name == "conda_dependencies":
        value = packages_of(value, where) if value is not None else current
    elif isinstance(current, Section):
        if isinstance(value, dict):
            fill(current, value, where)
        elif value is not None:
            _refuse(where, "a mapping", value)
        return
    elif value is None:
        if current is not None and not isinstance(current, (int, str)):
            return  # an empty field leaves a list or mapping as it is
        value = "" if name == "command" else value
    else:
        _check(section, name, value, where)
    setattr(section, name, str(value) if name == "version" and value is not None else value)


def _check(section: Section, name: str, value: Any, where: str) -> None:
    current = getattr(section, name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name in _FREE:
        return
    if name in section.text_or_list:
        if not isinstance(value, (str, list)):
            _refuse(where, "a text or a list", value)
    elif name in _WHOLE:
        if not isinstance(value, int) or isinstance(value, bool):
            _refuse(where, "a whole number", value)
    elif name in _NUMBERS:
        if not is_number:
            _refuse(where, "a number", value)
    elif isinstance(current, bool):
        if not isinstance(value, bool):
            _refuse(where, "true or false", value)
    elif isinstance(current, int):
        if not isinstance(value, int) or isinstance(value, bool):
            _refuse(where, "a whole number", value)
    elif isinstance(current, (dict, list)):
        if not isinstance(value, type(current)):
            _refuse(where, "a mapping" if isinstance(current, dict) else "a list", value)
    elif not isinstance(value, str) and not is_number:
        _refuse(where, "a text", value)


def _refuse(where: str, expected: str, value: Any) -> NoReturn:
    shown = repr(value)
    raise UserErrorException(
        f"{where} takes {expected}, not {shown if len(shown) < 80 else shown[:77] + '…'}."
    )


def _names(section: Section) -> List[str]:
    """The fields that a file may set."""
    names = [key.lstrip("_") for key in section.__dict__ if key != "_sealed"]
    return [name for name in names if name in section.__dict__ or hasattr(type(section), name)]


def _has_packages(fields: Dict[str, Any]) -> bool:
    python = (fields.get("environment") or {}).get("python") or {}
    return bool(python.get("condaDependencies") or python.get("conda_dependencies"))


def _shown(value: Any) -> Any:
    if isinstance(value, Section):
        return to_dict(value)
    if isinstance(value, CondaDependencies):
        return value.as_dict()
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _target(path: Optional[str], name: Optional[str]) -> str:
    folder = absolute(path or ".")
    if os.path.isdir(folder):
        if not name:
            raise UserErrorException("save() needs a name for the configuration in a folder.")
        old = os.path.join(folder, "aml_config")
        return os.path.join(old if os.path.isdir(old) else os.path.join(folder, ".azureml"), name)
    if name or not os.path.isdir(os.path.dirname(folder)):
        raise FileNotFoundError(errno.ENOENT, "The folder to save in does not exist", folder)
    return folder


def _found(path: str, name: Optional[str]) -> str:
    base = absolute(path)
    if name is None:
        candidates = [base]
    else:
        places = [os.path.join(base, kind, name) for kind in (".azureml", "aml_config", "")]
        candidates = [each for place in places for each in (place, f"{place}.runconfig")]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return candidate
    raise UserErrorException(f"No run configuration {name or path!r}; looked for {candidates}.")
