"""The files half of the small service: contents by hash, in parts, and names at runs."""

import hashlib
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, Any]]


class FakeFiles:
    """Holds contents and names, as the protocol says."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.parts: dict[str, bytes] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.pause = 0.0  # seconds that each part takes
        self._lock = threading.Lock()

    def of(self, run: str) -> dict[str, bytes]:
        """The files of a run."""
        return {name: self.contents[sha] for (r, name), sha in self.names.items() if r == run}

    def put(self, target: str, body: bytes) -> Answer:
        """A part of a content."""
        time.sleep(self.pause)
        parts = urlsplit(target)
        sha, query = parts.path.split("/")[-2], parse_qs(parts.query)
        size, offset = int(query["size"][0]), int(query["offset"][0])
        with self._lock:
            if sha in self.contents:
                return 200, {"held": size}
            held = self.parts.get(sha, b"")
            if offset == len(held):
                held = self.parts[sha] = held + body
            if len(held) == size:
                return self._keep(sha, self.parts.pop(sha)) or (200, {"held": size})
            return 200, {"held": len(held)}

    def store(self, frames: list[tuple[dict[str, Any], bytes]]) -> Answer:
        """Whole contents."""
        for header, data in frames:
            refused = self._keep(header["sha256"], data)
            if refused:
                return refused
        return 200, {"stored": len(frames)}

    def register(self, run: str, entries: list[dict[str, Any]]) -> Answer:
        """Names at a run, all or none."""
        missing = sorted({e["sha256"] for e in entries} - set(self.contents))
        if missing:
            return 200, {"missing": missing}
        for entry in entries:
            known = self.names.get((run, entry["name"]))
            if known not in (None, entry["sha256"]):
                return 409, {"error": "ArtifactConflict", "detail": entry["name"]}
        self.names.update(((run, entry["name"]), entry["sha256"]) for entry in entries)
        return 200, {"missing": []}

    def _keep(self, sha: str, data: bytes) -> Answer | None:
        if hashlib.sha256(data).hexdigest() != sha:
            return 422, {"error": "InvalidSpec", "detail": "another content"}
        self.contents[sha] = data
        return None
