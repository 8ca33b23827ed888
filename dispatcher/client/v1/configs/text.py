"""Files of YAML or JSON that users write: read and written, with errors that name the file."""

from __future__ import annotations

from dispatcher.client.errors import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(path: str) -> Any:
    """What a file says. JSON is YAML.

    Raises:
        UserErrorException: It cannot be read, or is not YAML; the text names file and line.
    """
    from dispatcher.client.v1.configs.yaml_text import MOST_CHARACTERS, parse

    try:
        with open(path, encoding="utf-8") as file:
            return parse(file.read(MOST_CHARACTERS + 1))
    except OSError as error:
        raise UserErrorException(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserErrorException(f"{path} cannot be read: it is not UTF-8 text.") from error
    except ValueError as error:
        raise UserErrorException(f"{path}: {error}.") from error


def write(path: str, value: Any) -> None:
    """Write a value as YAML.

    Raises:
        UserErrorException: A part of it is nothing that a file can hold.
    """
    from dispatcher.client.v1.configs.yaml_text import written

    try:
        text = written(value)
    except ValueError as error:
        raise UserErrorException(f"{path} is not written: {error}.") from error
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
