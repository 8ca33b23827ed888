"""Files of a run, up and down: by hash, so that only what is missing is sent; and in pieces, so
that a file of any size needs little memory and a lost connection costs one piece.
"""

from __future__ import annotations

import hashlib
import os
import time

from dispatcher.client import wire
from dispatcher.client.errors import AzureMLException, ServiceException, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Dict, Iterator, List, Optional, Sequence, Tuple

    from dispatcher.client.transport import Transport

    Files = Sequence[Tuple[str, str]]  # name at the run, path

PIECE = 4 << 20
SMALL = 1 << 20
AT_ONCE = 500


class Artifact:
    """A file of a run, as the service keeps it.

    Attributes:
        name: Its name.
        size: Its length in bytes.
        sha256: The hash of its content.
    """

    def __init__(self, name: str, size: int, sha256: str) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256

    def __repr__(self) -> str:
        return f"Artifact(name={self.name!r}, size={self.size})"


class Artifacts:
    """The files of one run.

    Args:
        transport: The service.
        run_id: The run.
    """

    def __init__(self, transport: Transport, run_id: str) -> None:
        self._transport = transport
        self._path = f"/runs/{run_id}/artifacts"

    def upload(self, files: Files, timeout: Optional[float] = None) -> List[Artifact]:
        """Upload files; those that are there already with the same content are not sent again.

        Raises:
            UserErrorException: A file cannot be read, or a name is none that a file can have.
            ServiceException: A name is taken by another content (409).
            AzureMLException: Not within `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        made: List[Artifact] = []
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            found = [_describe(name, path) for name, path in some]
            self._upload_some(found, [path for _, path in some], deadline)
            made += found
        return made

    def find(self, prefix: str = "") -> Iterator[Artifact]:
        """The files whose names start with `prefix`, by name."""
        after = ""
        while True:
            told = self._transport.get(self._path, [("prefix", prefix), ("after", after)])
            for each in told["artifacts"]:
                yield Artifact(each["name"], each["size"], each["sha256"])
            if told["next"] is None:
                return
            after = told["next"]

    def get(self, name: str) -> Optional[Artifact]:
        """The file of that name, or None."""
        query = [("prefix", name), ("limit", 1)]  # type: list[tuple[str, str | int]]
        for each in self._transport.get(self._path, query)["artifacts"]:
            if each["name"] == name:  # of all that start so, it is the first in order
                return Artifact(name, each["size"], each["sha256"])
        return None

    def download(self, artifact: Artifact, path: str) -> None:
        """Write a file to a path, whole or not at all; folders on the way are made.

        Raises:
            AzureMLException: What came is not what was stored.
        """
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        part = f"{path}.{os.getpid()}.part"
        try:
            with open(part, "wb") as file:
                self._read_into(file, artifact)
            os.replace(part, path)
        except BaseException:
            if os.path.exists(part):
                os.unlink(part)
            raise

    def _read_into(self, file: IO[bytes], artifact: Artifact) -> None:
        from urllib.parse import quote

        digest, held = hashlib.sha256(), 0
        while held < artifact.size:
            span = {"Range": f"bytes={held}-{min(held + PIECE, artifact.size) - 1}"}
            data = self._transport.send(
                "GET", f"{self._path}/{quote(artifact.name)}", extra=span
            ).body
            if not data:
                break
            digest.update(data)
            held += len(data)
            file.write(data)
        if digest.hexdigest() != artifact.sha256:
            raise AzureMLException(f"{artifact.name} came damaged; download it again.")

    def _upload_some(
        self, found: List[Artifact], paths: List[str], deadline: Optional[float]
    ) -> None:
        missing = self._register(found)
        if not missing:
            return
        sources = {a.sha256: (a, path) for a, path in zip(found, paths)}  # noqa: B905
        small = [sources[sha] for sha in missing if sources[sha][0].size <= SMALL]
        for body in _requests(small):
            _check(deadline)
            self._transport.post_frames("/blobs", body)
        for sha in missing:
            if sources[sha][0].size > SMALL:
                self._send_parts(*sources[sha], deadline=deadline)
        left = self._register(found)
        if left:
            raise UserErrorException(f"{sources[left[0]][1]} has changed while it was being sent.")

    def _register(self, found: List[Artifact]) -> List[str]:
        entries = [{"name": a.name, "sha256": a.sha256, "size": a.size} for a in found]
        try:
            told = self._transport.ask(self._path, {"artifacts": entries})
        except ServiceException as error:
            if error.status_code != 422:
                raise
            raise UserErrorException(error.message, inner_exception=error) from error
        missing: List[str] = told["missing"]
        return missing

    def _send_parts(self, artifact: Artifact, path: str, deadline: Optional[float]) -> None:
        held = self._part(artifact, 0, b"")
        with open(path, "rb") as file:
            while held < artifact.size:
                _check(deadline)
                file.seek(held)
                data = file.read(PIECE)
                if not data:
                    raise UserErrorException(f"{path} has become shorter while it was being sent.")
                held = self._part(artifact, held, data)

    def _part(self, artifact: Artifact, offset: int, data: bytes) -> int:
        answer = self._transport.send(
            "PUT",
            f"/blobs/{artifact.sha256}/parts",
            [("size", artifact.size), ("offset", offset)],
            data,
            content_type="application/octet-stream",
        )
        return int(answer.json()["held"])


def _describe(name: str, path: str) -> Artifact:
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while True:
                data = file.read(SMALL)
                if not data:
                    return Artifact(name, size, digest.hexdigest())
                digest.update(data)
                size += len(data)
    except OSError as error:
        reason = error.strerror or error
        raise UserErrorException(f"{path} cannot be uploaded as {name}: {reason}.") from error


def _requests(files: List[Tuple[Artifact, str]]) -> Iterator[bytes]:
    """Frames of about four MiB."""
    waiting: List[Tuple[Dict[str, Any], bytes]] = []
    size = 0
    for artifact, path in files:
        with open(path, "rb") as file:
            data = file.read(SMALL + 1)
        waiting.append(({"sha256": artifact.sha256}, data))
        size += len(data)
        if size >= PIECE - SMALL:
            yield wire.frames(waiting)
            waiting, size = [], 0
    if waiting:
        yield wire.frames(waiting)


def _check(deadline: Optional[float]) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise AzureMLException(
            "The files were not uploaded within timeout_seconds; upload the rest again."
        )
