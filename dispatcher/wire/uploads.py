"""The one upload of file contents: by hash, in parts, resumable, in bounded memory.

The caller registers what it wants the service to hold (a snapshot's manifest, a run's artifacts)
and the service answers which contents it lacks. Small contents share a request; a large one goes in
parts, and the service answers how much of it is held, so an interrupted upload continues there.
Nothing is noted on this side.
"""

from __future__ import annotations

import hashlib
import os

from dispatcher.wire import encoding
from dispatcher.wire.errors import ContentUnreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

    from dispatcher.wire.connection import ServiceConnection

    Frame = Tuple[Dict[str, Any], bytes]

PART_BYTES = 4 << 20
SMALL_BYTES = 1 << 20
FRAMES_PER_REQUEST = 1000
_MAX_ROUNDS = 3


def open_for_reading(path: str) -> int:
    """Open a file for reading and return its descriptor. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


class FileContent:
    """The content of a file, with the size and hash that it had when it was looked at.

    Args:
        path: The file.
        size: Its length in bytes.
        sha256: The hash of its content.
        opener: Opens the file; the agent passes one that follows no links.
    """

    __slots__ = ("_opener", "path", "sha256", "size")

    def __init__(
        self,
        path: str,
        size: int,
        sha256: str,
        opener: Callable[[str], int] = open_for_reading,
    ) -> None:
        self.path = path
        self.size = size
        self.sha256 = sha256
        self._opener = opener

    @classmethod
    def of(cls, path: str, opener: Callable[[str], int] = open_for_reading) -> FileContent:
        """Read a file once and hash it. Raises ContentUnreadable."""
        digest, size = hashlib.sha256(), 0
        try:
            with open(opener(path), "rb", buffering=0) as file:
                while True:
                    data = file.read(SMALL_BYTES)
                    if not data:
                        return cls(path, size, digest.hexdigest(), opener)
                    digest.update(data)
                    size += len(data)
        except OSError as error:
            raise ContentUnreadable(path, error.strerror or str(error)) from error

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from an offset. Raises ContentUnreadable."""
        try:
            descriptor = self._opener(self.path)
        except OSError as error:
            raise ContentUnreadable(self.path, error.strerror or str(error)) from error
        try:
            return os.pread(descriptor, size, offset)
        except OSError as error:
            raise ContentUnreadable(self.path, error.strerror or str(error)) from error
        finally:
            os.close(descriptor)


def upload(
    connection: ServiceConnection,
    contents: Mapping[str, FileContent],
    register: Callable[[], Sequence[str]],
    before_request: Callable[[], None] = lambda: None,
) -> None:
    """Bring to the service what it lacks, until it has registered all of it.

    Args:
        connection: The service.
        contents: The contents by hash.
        register: Registers at the service and returns the hashes of the contents that it lacks;
            empty once it has registered everything.
        before_request: Called before each request; what it raises ends the upload.

    Raises:
        ContentUnreadable: A file cannot be read, or changes while it is sent.
        ServiceUnavailable, RequestRefused: As the connection raises them.
    """
    missing: Sequence[str] = ()
    for _ in range(_MAX_ROUNDS):
        missing = register()
        if not missing:
            return
        lacking = [contents[sha256] for sha256 in missing]
        small = (content for content in lacking if content.size <= SMALL_BYTES)
        for body in _requests(small):
            before_request()
            connection.post_frames("/blobs", body)
        for content in lacking:
            if content.size > SMALL_BYTES:
                _send_parts(connection, content, before_request)
    raise ContentUnreadable(contents[missing[0]].path, "it changes while it is being sent")


def _requests(contents: Iterable[FileContent]) -> Iterator[bytes]:
    """Bodies of at most PART_BYTES and as many frames as one request may have."""
    waiting: List[Frame] = []
    size = 0
    for content in contents:
        data = content.read(0, SMALL_BYTES)
        if waiting and (size + len(data) > PART_BYTES or len(waiting) >= FRAMES_PER_REQUEST):
            yield encoding.frames(waiting)
            waiting, size = [], 0
        if hashlib.sha256(data).hexdigest() != content.sha256:
            raise ContentUnreadable(content.path, "it changes while it is being sent")
        waiting.append(({"sha256": content.sha256}, data))
        size += len(data)
    if waiting:
        yield encoding.frames(waiting)


def _send_parts(
    connection: ServiceConnection, content: FileContent, before_request: Callable[[], None]
) -> None:
    held = _send_part(connection, content, 0, b"")  # asks how much the service holds
    while held < content.size:
        before_request()
        data = content.read(held, min(PART_BYTES, content.size - held))
        if not data:
            raise ContentUnreadable(content.path, "it has become shorter while it was being sent")
        held = _send_part(connection, content, held, data)


def _send_part(
    connection: ServiceConnection, content: FileContent, offset: int, data: bytes
) -> int:
    path = f"/blobs/{content.sha256}/parts"
    answer = connection.put_bytes(path, data, [("size", content.size), ("offset", offset)])
    return int(answer["held"])
