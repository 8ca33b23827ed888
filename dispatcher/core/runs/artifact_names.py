"""Names of a run's files: where they would lie below a folder, with `/` between. Pure."""

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.spec import clean

MAX_NAME = 1024


def check_name(name: str) -> str:
    """Return the name, if it is one. Raises InvalidSpec.

    Whoever downloads a file under its name stays below the folder they chose, on Windows too.
    """
    try:
        clean(name)
    except ValueError as error:
        raise InvalidSpec(f"name {name[:80]!r}: {error}") from error
    if not 0 < len(name) <= MAX_NAME:
        raise InvalidSpec(f"name {name[:80]!r}…: {len(name)} characters; 1 to {MAX_NAME}")
    if any(char < " " or char == "\x7f" for char in name):
        raise InvalidSpec(f"name {name!r}: must not contain control characters")
    drive = name[1:2] == ":" and name[0].isalpha()
    if "\\" in name or drive or any(part in ("", ".", "..") for part in name.split("/")):
        raise InvalidSpec(
            f"name {name!r}: must be a relative path with '/' between its parts, "
            "without '..', '.', empty parts and backslashes"
        )
    return name
