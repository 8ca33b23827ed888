"""One life of a few runs, played by a client that repeats what was not answered.

One completes, one fails with exit code 3, one is canceled while it runs, one is canceled while it
is queued, one runs all the time, and a parent submits a child and waits for it.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.errors import ServerUnreachable, ServiceException
from tests.chaos.effects import Effects
from tests.rigs.service import Service
from tests.rigs.waiting import until

SCRIPTS = Path(__file__).parent / "scripts"
NOTE = 'note() { echo "$AZUREML_RUN_ID $DISPATCHER_ATTEMPT $1" >> "$CHAOS_EFFECTS"; }; note start; '
DRAIN = 45.0
ENDED = {"Completed", "Failed", "Canceled"}


@dataclass(frozen=True)
class Stage:
    """Where the scenarios of one service are played."""

    service: Service
    effects: Effects
    sources: Path  # folders for snapshots
    wide: str  # a target with room for all
    narrow: str  # a target with room for one
    effects_path: str  # as scripts see it
    meeting: Path  # a folder that scripts see
    meeting_path: str  # as they see it
    clear: Callable[[], None]  # end what starts jobs; only where none runs


@dataclass(frozen=True)
class Role:
    """What is to become of a run."""

    status: str
    exit_code: int | None
    starts: bool
    ends: bool
    speaks: bool = False


ROLES = {
    "completes": Role("Completed", 0, starts=True, ends=True, speaks=True),
    "fails": Role("Failed", 3, starts=True, ends=True),
    "stopped": Role("Canceled", None, starts=True, ends=False),
    "withdrawn": Role("Canceled", None, starts=False, ends=False),
    "steady": Role("Completed", 0, starts=True, ends=True),
    "parent": Role("Completed", 0, starts=True, ends=True),
    "child": Role("Completed", 0, starts=True, ends=True, speaks=True),
}


@dataclass
class Scenario:
    """The runs of one point; `name` makes their ids unique."""

    stage: Stage
    name: str
    acknowledged: set[str] = field(default_factory=set)
    recovered: set[str] = field(default_factory=set)
    snapshot: str = ""
    log: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def id(self, role: str) -> str:
        return f"{self.name}-{role}"

    @property
    def ids(self) -> list[str]:
        return [self.id(role) for role in ROLES if role != "child"]

    def begin(self) -> None:
        """Submit everything; return when two of them run for long.

        Its snapshot is like no other, so it is uploaded, and fetched by the nodes.
        """
        source = self.stage.sources / self.name
        shutil.copytree(SCRIPTS, source)
        (source / "name.txt").write_text(self.name)
        self.snapshot = self.stage.service.snapshot(source)
        wait = f'while [ ! -e "{self.stage.meeting_path}/{self.name}" ]; do sleep 0.05; done; '
        self._submit("steady", command=NOTE + wait + "note end", target=self.stage.narrow)
        self._submit("withdrawn", command=NOTE + "note end", target=self.stage.narrow)
        self._submit("completes", script="job.py")
        self._submit("fails", command=NOTE + "note end; exit 3")
        self._submit("stopped", command=NOTE + "sleep 300 && note end")
        self._submit("parent", script="parent.py")
        until(lambda: self._did("steady", "start"), "one has started", DRAIN)
        until(lambda: self._did("stopped", "start"), "the other has started", DRAIN)

    def finish(self) -> None:
        """Cancel what is to be canceled, let go what waits, and wait for the end of all."""
        self._cancel("stopped")
        self._cancel("withdrawn")
        until(lambda: self._over("parent"), "the parent has ended", DRAIN)
        (self.stage.meeting / self.name).touch()
        self.drain()

    def drain(self) -> None:
        """Wait until all have ended, or the limit has passed; keep what the service says then."""
        mine = [role for role in ROLES if role != "child"]
        with suppress(AssertionError):  # what has not ended is counted as stuck
            until(lambda: self._over(*mine), "all have ended", DRAIN)
        service = self.stage.service
        listing = service.transport.get("/runs", [("parent", self.id("parent"))])
        self.children = [run["id"] for run in listing["runs"]]
        for run_id in (*self.ids, *self.children):
            found = service.find_run(run_id)
            if found is not None:
                self.seen[run_id] = found

    def abandon(self) -> None:
        """See how far it came; then make room, so that the next one is judged by itself."""
        self.drain()
        (self.stage.meeting / self.name).touch()
        for run_id in (*self.ids, *self.children):
            with suppress(ServiceException):  # it was never taken
                self.stage.service.cancel(run_id)

    def _over(self, *roles: str) -> bool:
        ids = [self.id(role) for role in roles]
        statuses = self.stage.service.wait(ids, 5)
        return all(statuses.get(run_id) in ENDED for run_id in ids)

    def _did(self, role: str, what: str) -> bool:
        return self.stage.effects.has(self.id(role), what)

    def _submit(self, role: str, **spec: Any) -> None:
        run_id, stage = self.id(role), self.stage
        variables = {"CHAOS_EFFECTS": stage.effects_path, "CHAOS_TARGET": stage.wide}
        whole = {
            "id": run_id,
            "experiment": "chaos",
            "target": stage.wide,
            "snapshot": self.snapshot,
            "environment_variables": variables,
            "grace_seconds": 2,
            **spec,
        }
        self._call(role, "submit", lambda once: once.post("/runs", {"runs": [whole]}))
        self.acknowledged.add(run_id)

    def _cancel(self, role: str) -> None:
        path = f"/runs/{self.id(role)}/cancel"
        self._call(role, "cancel", lambda once: once.post(path))

    def _call(self, role: str, what: str, call: Callable[[ApiConnection], Any]) -> None:
        """Make the call until it is answered, and note each attempt and the acknowledgement."""
        service = self.stage.service
        while True:
            self.log.append(f"attempt {what} {role}")
            once = ApiConnection(service.transport.address, retry_seconds=0)
            try:
                call(once)
                break
            except ServerUnreachable:
                until(service.is_healthy, "the service is back", 60)
                if what == "submit" and service.find_run(self.id(role)) is not None:
                    self.recovered.add(self.id(role))
            finally:
                once.close()
        self.log.append(f"acknowledged {what} {role}")
