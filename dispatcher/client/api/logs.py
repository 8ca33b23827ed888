"""The logs of a run: their names and their text, by offset."""

from __future__ import annotations

from dispatcher.client.api.run_path import run_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

    from dispatcher.client.api.connection import ApiConnection

_CHUNK = 1 << 20


def names(connection: ApiConnection, run_id: str) -> List[str]:
    """The names of the logs there are."""
    logs = connection.get(f"{run_path(run_id)}/logs")["logs"]
    return list(dict.fromkeys(log["name"] for log in logs))


def read(
    connection: ApiConnection, run_id: str, name: str, offset: int, wait: float = 0
) -> Tuple[bytes, int, bool]:
    """Read on from an offset: the bytes, the next offset, and whether all has come."""
    from urllib.parse import quote

    answer = connection.send(
        "GET",
        f"{run_path(run_id)}/logs/{quote(name)}",
        [("offset", offset), ("limit", _CHUNK), ("wait", wait)],
        timeout=wait + 30,
    )
    following = int(answer.headers.get("x-next-offset", offset + len(answer.body)))
    return answer.body, following, answer.headers.get("x-complete") == "1"


def download(connection: ApiConnection, run_id: str, name: str, path: str) -> None:
    """Write a log as it is now to a path, its bytes as they are; folders on the way are made."""
    import os

    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    offset = 0
    with open(path, "wb") as file:
        while True:
            chunk, offset, _ = read(connection, run_id, name, offset)
            if not chunk:
                return
            file.write(chunk)


def read_text(connection: ApiConnection, run_id: str, name: str) -> str:
    """The whole text of a log as it is now."""
    data, offset = bytearray(), 0
    while True:
        chunk, offset, _ = read(connection, run_id, name, offset)
        if not chunk:
            return data.decode("utf-8", "replace")
        data += chunk
