"""YAML and JSON files that are arguments of commands."""

from pathlib import Path
from typing import Any

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs import text


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file.

    Raises:
        UserErrorException: The file is missing, too large, too deeply nested, or no mapping.
    """
    fields = text.read(str(file))
    if not isinstance(fields, dict):
        raise UserErrorException(f"{file} contains no mapping (key: value).")
    return fields
