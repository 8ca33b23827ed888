"""YAML files that a user names: read with limits, so that no file can do harm."""

from pathlib import Path
from typing import Any

import yaml

from dispatcher.client.errors import UserErrorException

MAX_BYTES = 1024 * 1024


class _NoAliases(yaml.SafeLoader):
    """Aliases can make gigabytes out of a few lines; no file that is read here needs them."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            loader: Any = self
            event = loader.get_event()
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: an alias, *{event.anchor}")
        return super().compose_node(parent, index)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping that a YAML or JSON file holds.

    Raises:
        UserErrorException: It is not there, too large or too deep, or holds no mapping.
    """
    try:
        if file.is_file() and file.stat().st_size > MAX_BYTES:
            raise UserErrorException(f"{file} has more than {MAX_BYTES} bytes.")
        told = yaml.load(file.read_text(encoding="utf-8"), Loader=_NoAliases)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserErrorException(f"{file} cannot be read as YAML: {reason}") from error
    if not isinstance(told, dict):
        raise UserErrorException(f"{file} holds no mapping (key: value).")
    return told
