"""Uploads the files of ended jobs to the service. A repeated upload changes nothing."""

from __future__ import annotations

import logging

from dispatcher.agent.shipping.outputs import MAX_NAME_LENGTH
from dispatcher.wire import uploads
from dispatcher.wire.errors import ContentUnreadable, RequestRefused
from dispatcher.wire.uploads import FileContent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List

    from dispatcher.agent.shipping.outputs import JobOutputs, OutputFile
    from dispatcher.wire.connection import ServiceConnection

    Sized = List["_File"]

log = logging.getLogger(__name__)
AT_ONCE = 500
_TAKEN = 409
_REFUSED_RUN = (403, 404)
_FINAL = frozenset({_TAKEN})  # a taken name stays taken


class _File:
    """One file: its name at the run, and its content."""

    def __init__(self, name: str, content: FileContent) -> None:
        self.name = name
        self.content = content

    def entry(self) -> Dict[str, Any]:
        content = self.content
        return {"name": self.name, "sha256": content.sha256, "size": content.size}


class OutputUploader:
    """Uploads the files of one job.

    Args:
        service: The service; refusals of single files are logged, other errors are raised.
        leavings: The job's files.
    """

    def __init__(self, service: ServiceConnection, outputs: JobOutputs) -> None:
        self._service = service
        self._outputs = outputs

    def run(self) -> None:
        """Upload all files. Raises ServiceUnavailable; then the call has to be repeated."""
        try:
            for chunk in _chunks(self._outputs.files()):
                files = [file for described in chunk for file in self._described(*described)]
                if files:
                    self._upload(files)
        except RequestRefused as error:
            self._log_loss("the remaining files", str(error))

    def _described(self, name: str, path: str) -> Iterator[_File]:
        """The file with its hash; nothing if it cannot be read."""
        if len(name) > MAX_NAME_LENGTH:
            self._log_loss(name, f"its name is longer than {MAX_NAME_LENGTH} characters")
            return
        try:
            yield _File(name, FileContent.of(path, self._outputs.open))
        except ContentUnreadable as error:
            self._log_loss(name, error.reason)

    def _upload(self, files: Sized) -> None:
        try:
            self._send(files)
        except (RequestRefused, ContentUnreadable) as error:
            status = error.status if isinstance(error, RequestRefused) else None
            if status in _REFUSED_RUN:
                raise
            if len(files) > 1:  # one of them is refused: upload each by itself
                for file in files:
                    self._upload([file])
            elif status == _TAKEN and self._outputs.host:
                self._upload_under_host(files[0])
            else:
                self._log_loss(files[0].name, str(error))

    def _upload_under_host(self, file: _File) -> None:
        """Upload under another name, because another host of the gang has taken the name."""
        file.name = self._outputs.other_name(file.name)
        try:
            self._send([file])
        except (RequestRefused, ContentUnreadable) as error:
            self._log_loss(file.name, str(error))

    def _send(self, files: Sized) -> None:
        contents = {file.content.sha256: file.content for file in files}
        uploads.upload(self._service, contents, lambda: self._register(files))

    def _register(self, files: Sized) -> List[str]:
        outputs = self._outputs
        body = {"artifacts": [file.entry() for file in files], "attempt": outputs.attempt}
        path = f"/runs/{outputs.run_id}/artifacts"
        missing: List[str] = self._service.ask(path, body, final=_FINAL)["missing"]
        return missing

    def _log_loss(self, name: str, reason: str) -> None:
        self._outputs.warn(name, reason)
        log.warning(
            "output file not uploaded: %s: %s", name, reason, extra={"job": self._outputs.name}
        )


def _chunks(files: Iterable[OutputFile]) -> Iterator[List[OutputFile]]:
    chunk: List[OutputFile] = []
    for each in files:
        chunk.append(each)
        if len(chunk) == AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
