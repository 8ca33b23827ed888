"""Files of YAML or JSON that a command is given."""

from pathlib import Path
from typing import Any

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs import text


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping that a YAML or JSON file holds.

    Raises:
        UserErrorException: It is not there, too large or too deep, or holds no mapping.
    """
    fields = text.read(str(file))
    if not isinstance(fields, dict):
        raise UserErrorException(f"{file} holds no mapping (key: value).")
    return fields
