"""The HTTP API in memory, as far as the client's tests need it; they move the runs themselves."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.v1.workspaces.config import WorkspaceConfig
from dispatcher.client.v1.workspaces.workspace import Workspace
from dispatcher.wire.address import Address

TERMINAL = ("Completed", "Failed", "Canceled")
TOKEN = "owner"


class Refusal(Exception):
    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind


class FakeService:
    """The state, and one method for each call that the client makes."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.runs: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[str, bytes] = {}
        self.manifests: dict[str, dict[str, Any]] = {}
        self.streams: dict[tuple[str, int, str], bytearray] = {}
        self.targets: dict[str, dict[str, Any]] = {"local": {"name": "local", "kind": "local"}}
        self.calls: list[tuple[str, str]] = []
        self.heartbeats: set[str] = set()
        self.recorded: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.parked: dict[str, list[list[str]]] = {}
        self.failures: list[int | str] = []  # what the next calls meet instead of an answer
        self.circle: str | None = None
        self.url = ""

    # What tests do to runs.

    def move(self, run_id: str, status: str, **fields: Any) -> None:
        with self.changed:
            run = self.runs[run_id]
            run.update(fields, status=status, version=run["version"] + 1)
            run["terminal"] = status in TERMINAL
            self.changed.notify_all()

    def print(self, run_id: str, text: str, name: str = "user_logs/std_log.txt") -> None:
        with self.changed:
            self.streams.setdefault((run_id, 1, f"log:{name}"), bytearray()).extend(text.encode())
            self.changed.notify_all()

    def count(self, method: str, start: str) -> int:
        return sum(1 for m, path in self.calls if m == method and path.startswith(start))

    def metrics_of(self, run_id: str) -> list[dict[str, Any]]:
        data = b"".join(
            bytes(content)
            for (run, _, stream), content in self.streams.items()
            if run == run_id and stream.startswith("metrics")
        )
        return [json.loads(line) for line in data.splitlines()]

    # The calls.

    def create_experiment(self, name: str) -> dict[str, Any]:
        known = {"id": f"id-{name}", "name": name, "created_at": "2026-01-01T00:00:00Z", "tags": {}}
        return self.experiments.setdefault(name, known)

    def submit(self, specs: list[dict[str, Any]], brief: bool) -> dict[str, Any]:
        for spec in specs:
            if spec.get("target", "local") not in self.targets:
                raise Refusal(404, "TargetNotFound", f"no target {spec['target']!r}")
            if spec.get("snapshot") and spec["snapshot"] not in self.manifests:
                raise Refusal(404, "SnapshotNotFound", f"no snapshot {spec['snapshot']}")
        made = [self._one(spec) for spec in specs]
        if brief:
            made = [{key: run[key] for key in ("id", "status", "version")} for run in made]
        return {"runs": made}

    def _one(self, spec: dict[str, Any]) -> dict[str, Any]:
        parent = spec.get("parent_id")
        for run in self.runs.values():
            if spec.get("key") and (run["parent_id"], run["key"]) == (parent, spec["key"]):
                if run["key_hash"] != spec.get("key_hash"):
                    raise Refusal(409, "RunConflict", f"key {spec['key']} with another content")
                return run
        number = len(self.runs) + 1
        interactive = bool(spec.get("interactive"))
        self.runs[spec["id"]] = {
            "id": spec["id"],
            "experiment": spec["experiment"],
            "number": number,
            "name": spec.get("name"),
            "display_name": spec.get("display_name"),
            "description": spec.get("description"),
            "type": spec.get("type"),
            "status": "Running" if interactive else "Queued",
            "version": 1,
            "terminal": False,
            "attempt": 1,
            "submitted_by": "ada",
            "target": spec.get("target", "local"),
            "parent_id": parent,
            "interactive": interactive,
            "created_at": f"2026-01-01T00:00:{number % 60:02d}Z",
            "started_at": f"2026-01-01T00:00:{number % 60:02d}Z" if interactive else None,
            "ended_at": None,
            "tags": dict(spec.get("tags") or {}),
            "properties": dict(spec.get("properties") or {}),
            "definition": {"arguments": spec.get("arguments"), **(spec.get("definition") or {})},
            "error": None,
            "warnings": [],
            "waiting": None if interactive else "needs 1 CPU; 0 are free",
            "key": spec.get("key"),
            "key_hash": spec.get("key_hash"),
            "spec": spec,
        }
        return self.runs[spec["id"]]

    def run(self, run_id: str) -> dict[str, Any]:
        if run_id not in self.runs:
            raise Refusal(404, "RunNotFound", f"no run {run_id}")
        return self.runs[run_id]

    def read(self, run_id: str, after: int | None, wait: float) -> dict[str, Any]:
        with self.changed:
            run = self.run(run_id)
            if after is not None:
                self.changed.wait_for(lambda: self.runs[run_id]["version"] > after, wait)
            above = [dict(self.runs[each]) for each in self.ancestors(run)]
            for each in above:
                each.pop("definition")
            return {**run, "ancestors": above}

    def wait(self, ids: list[str], wait: float) -> dict[str, Any]:
        with self.changed:
            self.changed.wait_for(lambda: all(self.run(i)["terminal"] for i in ids), wait)
            pending = sum(1 for i in ids if not self.runs[i]["terminal"])
            return {"statuses": {i: self.runs[i]["status"] for i in ids}, "pending": pending}

    def find(self, query: list[tuple[str, str]]) -> dict[str, Any]:
        asked = dict(query)
        found = [run for run in self.runs.values() if self._fits(run, asked, query)]
        found.sort(key=lambda run: -run["number"])
        if "cursor" in asked:  # where the last of the page before stands
            found = [run for run in found if run["number"] < float(asked["cursor"])]
        page = found[: int(asked.get("limit", 100))]
        return {"runs": page, "next": str(page[-1]["number"]) if len(page) < len(found) else None}

    def _fits(
        self, run: dict[str, Any], asked: dict[str, str], query: list[tuple[str, str]]
    ) -> bool:
        for key in ("type", "status", "experiment"):
            if asked.get(key, run[key]) != run[key]:
                return False
        for key, wanted in query:
            if key in ("tag", "property"):
                values = run["tags" if key == "tag" else "properties"]
                name, equals, value = wanted.partition("=")
                if name not in values or (equals and values[name] != value):
                    return False
        if "parent" in asked:
            above = self.ancestors(run)
            return asked["parent"] in (above if asked.get("recursive") == "1" else above[:1])
        return run["parent_id"] is None or asked.get("include_children") == "1"

    def ancestors(self, run: dict[str, Any]) -> list[str]:
        above = []
        while run["parent_id"]:
            above.append(run["parent_id"])
            run = self.runs[run["parent_id"]]
        return above

    def change(self, run_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        run = self.run(run_id)
        for key, value in fields.get("properties", {}).items():
            if run["properties"].get(key, value) != value:
                raise Refusal(409, "RunConflict", f"property {key} is there with another value")
        run["properties"].update(fields.get("properties", {}))
        run["tags"].update(fields.get("tags", {}))
        for key in fields.get("remove_tags", []):
            run["tags"].pop(key, None)
        for key in ("display_name", "description", "child_policy"):
            if key in fields:
                run[key] = fields[key]
        return run

    def event(self, run_id: str, event: dict[str, Any]) -> dict[str, Any]:
        run = self.run(run_id)
        if not run["terminal"]:
            if event["type"] == "complete":
                self.move(run_id, "Completed")
            elif event.get("set_status", True):
                self.move(run_id, "Failed", error={"error": event["error"]})
        return run

    def snapshot(self, manifest: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        made = hashlib.sha256(text.encode()).hexdigest()
        missing = sorted({file[3] for file in manifest["files"]} - self.blobs.keys())
        if not missing:
            self.manifests[made] = manifest
        return {"id": made, "missing": missing}

    def store(self, data: bytes) -> dict[str, Any]:
        for header, content in frames(data):
            if hashlib.sha256(content).hexdigest() != header["sha256"]:
                raise Refusal(422, "InvalidSpec", "wrong hash")
            self.blobs[header["sha256"]] = content
        return {"stored": len(frames(data))}

    def part(self, sha256: str, query: dict[str, str], data: bytes) -> dict[str, Any]:
        size, offset = int(query["size"]), int(query["offset"])
        if sha256 in self.blobs:
            return {"held": size}
        held = self.parts.setdefault(sha256, b"")
        if offset == len(held):
            held = self.parts[sha256] = held + data
        if len(held) == size:
            del self.parts[sha256]
            if hashlib.sha256(held).hexdigest() != sha256:
                raise Refusal(422, "InvalidSpec", "wrong hash")
            self.blobs[sha256] = held
        return {"held": len(held)}

    def spool(self, data: bytes) -> dict[str, Any]:
        acks = []
        for header, content in frames(data):
            key = (header["run"], header["attempt"], header["stream"])
            held = self.streams.setdefault(key, bytearray())
            if header["offset"] == len(held):
                held.extend(content)
            names = ("run", "attempt", "stream")
            acks.append({**{name: header[name] for name in names}, "offset": len(held)})
        with self.changed:
            self.changed.notify_all()
        return {"acks": acks}

    def metrics(self, run_id: str, query: dict[str, str]) -> dict[str, Any]:
        ids = [run_id]
        if query.get("recursive") == "1":
            ids += [run["id"] for run in self.runs.values() if run_id in self.ancestors(run)]
        told = {}
        for each in ids:
            points = self.metrics_of(each)
            told[each] = [p for p in points if query.get("name", p["n"]) == p["n"]]
        return {"runs": told}

    def logs(self, run_id: str) -> dict[str, Any]:
        names = [s[4:] for run, _, s in self.streams if run == run_id and s.startswith("log:")]
        made = [{"name": name, "size": 1, "attempt": 1} for name in names]
        return {"logs": made, "complete": self.run(run_id)["terminal"]}

    def log(self, run_id: str, name: str, query: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        offset, wait = int(query.get("offset", 0)), float(query.get("wait", 0))
        with self.changed:
            held = self.streams[run_id, 1, f"log:{name}"]
            self.changed.wait_for(lambda: len(held) > offset or self.run(run_id)["terminal"], wait)
            data = bytes(held[offset:])
            complete = self.run(run_id)["terminal"]
        told = {
            "X-Next-Offset": str(offset + len(data)),
            **({"X-Complete": "1"} if complete else {}),
        }
        return data, told

    def park(self, run_id: str, waits_for: list[str]) -> dict[str, Any]:
        if self.circle:
            raise Refusal(409, "WaitCycle", self.circle)
        with self.changed:
            self.parked.setdefault(run_id, []).append(waits_for)
            self.run(run_id)["parked"] = True
            self.changed.notify_all()
        return self.run(run_id)

    def unpark(self, run_id: str) -> dict[str, Any]:
        self.run(run_id)["parked"] = False
        return self.run(run_id)


def frames(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    found = []
    while data:
        line, _, rest = data.partition(b"\n")
        header = json.loads(line)
        found.append((header, rest[: header["size"]]))
        data = rest[header["size"] :]
    return found


def in_run(service: FakeService, run_id: str, job: Path, attempt: int = 1) -> dict[str, str]:
    """The environment that a submitted run's script sees."""
    return {
        "AZUREML_RUN_ID": run_id,
        "AZUREML_RUN_TOKEN": TOKEN,
        "AZUREML_SERVICE_ENDPOINT": service.url,
        "AZUREML_ARM_SUBSCRIPTION": "local",
        "AZUREML_ARM_RESOURCEGROUP": "local",
        "AZUREML_ARM_WORKSPACE_NAME": "w",
        "AZUREML_ARM_PROJECT_NAME": "fruit",
        "DISPATCHER_JOB_DIR": os.fspath(job),
        "DISPATCHER_JOB": f"{run_id}-{attempt}",
        "DISPATCHER_ATTEMPT": str(attempt),
    }


def workspace_of(service: FakeService, folder: Path) -> Workspace:
    """A workspace whose service is the fake."""
    config = WorkspaceConfig("local", "local", "w", os.fspath(folder / ".dispatcher"), service.url)
    transport = ApiConnection(Address(service.url, token=TOKEN), retry_seconds=5.0)
    return Workspace("local", "local", "w", _config=config, _connection=transport)


def script_in(folder: Path, text: str = "print('hello')\n", name: str = "train.py") -> Path:
    """A source folder with one script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder
