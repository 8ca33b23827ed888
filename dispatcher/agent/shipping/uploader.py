"""Brings files of ended jobs to the service: by hash, so that only what is missing is sent.

In pieces, so that a file of any size needs little memory; the service says how much of a content it
holds, so who was cut off goes on there, and doing all of it again changes nothing. Nothing is noted
on disk.
"""

from __future__ import annotations

import hashlib
import logging
import os

from dispatcher.agent.http import ServiceRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, Tuple

    from dispatcher.agent.http import Service
    from dispatcher.agent.shipping.outputs import JobOutputs, OutputFile

    Sized = List["_File"]

log = logging.getLogger(__name__)
PIECE = 4 << 20
SMALL = 1 << 20
AT_ONCE = 500
_TAKEN = 409
_NO_RUN = (403, 404)
_TRIES = 3


class _File:
    """One file: its name at the run, where it is, and what is in it."""

    def __init__(self, name: str, path: str, size: int, sha256: str) -> None:
        self.name = name
        self.path = path
        self.size = size
        self.sha256 = sha256

    def entry(self) -> Dict[str, Any]:
        return {"name": self.name, "sha256": self.sha256, "size": self.size}


class OutputUploader:
    """Brings the files of one job.

    Args:
        service: The service; its errors pass, but for what it will never take.
        leavings: The job's files.
    """

    def __init__(self, service: Service, outputs: JobOutputs) -> None:
        self._service = service
        self._outputs = outputs

    def run(self) -> None:
        """Bring all of them. Raises ServiceAway; then it has to be done again."""
        try:
            for some in _chunks(self._outputs.files()):
                files = [file for found in some for file in self._described(*found)]
                if files:
                    self._keep(files)
        except ServiceRefused as error:
            self._lose("what it has left", str(error))

    def _described(self, name: str, path: str) -> Iterator[_File]:
        """The file with its hash; nothing if it cannot be read."""
        if len(name) > 1024:
            self._lose(name, "its name is longer than 1024 characters")
            return
        digest, size = hashlib.sha256(), 0
        try:
            with open(self._outputs.open(path), "rb", buffering=0) as file:
                while True:
                    data = file.read(SMALL)
                    if not data:
                        break
                    digest.update(data)
                    size += len(data)
        except OSError as error:
            self._lose(name, str(error))
            return
        yield _File(name, path, size, digest.hexdigest())

    def _keep(self, files: Sized) -> None:
        try:
            self._bring(files)
        except ServiceRefused as error:
            if error.status in _NO_RUN:
                raise
            if len(files) > 1:  # one of them is refused: find out which, and keep the others
                for file in files:
                    self._keep([file])
            elif error.status == _TAKEN and self._outputs.host:
                self._keep_elsewhere(files[0])
            else:
                self._lose(files[0].name, str(error))

    def _keep_elsewhere(self, file: _File) -> None:
        """Another host of the gang has left something else under the name."""
        file.name = self._outputs.other_name(file.name)
        try:
            self._bring([file])
        except ServiceRefused as error:
            self._lose(file.name, str(error))

    def _bring(self, files: Sized) -> None:
        for _ in range(_TRIES):
            missing = self._register(files)
            if not missing:
                return
            by_hash = {file.sha256: file for file in files}
            wanted = [by_hash[sha] for sha in missing]
            for frames in self._frames([file for file in wanted if file.size <= SMALL]):
                self._service.post_frames("/blobs", frames)
            for file in wanted:
                if file.size > SMALL:
                    self._send_parts(file)
        raise ServiceRefused(422, "it changes while it is being sent")

    def _register(self, files: Sized) -> List[str]:
        outputs = self._outputs
        body = {"artifacts": [file.entry() for file in files], "attempt": outputs.attempt}
        answer = self._service.post_json(f"/runs/{outputs.run_id}/artifacts", body)
        missing: List[str] = answer["missing"]
        return missing

    def _frames(self, files: Sized) -> Iterator[List[Tuple[Dict[str, Any], bytes]]]:
        waiting: List[Tuple[Dict[str, Any], bytes]] = []
        size = 0
        for file in files:
            data = self._read(file, 0, SMALL)
            waiting.append(({"sha256": file.sha256}, data))
            size += len(data)
            if size > PIECE - SMALL:
                yield waiting
                waiting, size = [], 0
        if waiting:
            yield waiting

    def _send_parts(self, file: _File) -> None:
        held = self._part(file, 0, b"")
        while held < file.size:
            data = self._read(file, held, min(PIECE, file.size - held))
            if not data:
                raise ServiceRefused(422, "it has become shorter")
            held = self._part(file, held, data)

    def _part(self, file: _File, offset: int, data: bytes) -> int:
        path = f"/blobs/{file.sha256}/parts?size={file.size}&offset={offset}"
        return int(self._service.put(path, data)["held"])

    def _read(self, file: _File, offset: int, size: int) -> bytes:
        try:
            descriptor = self._outputs.open(file.path)
        except OSError as error:
            raise ServiceRefused(422, str(error)) from error
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def _lose(self, name: str, reason: str) -> None:
        log.warning("%s is not kept: %s", name, reason, extra={"job": self._outputs.name})


def _chunks(found: Iterable[OutputFile]) -> Iterator[List[OutputFile]]:
    some: List[OutputFile] = []
    for each in found:
        some.append(each)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
