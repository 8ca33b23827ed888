"""Many short runs at once, some of which fail, and what must be true of them in the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.runs.run_types import run_of
from dispatcher.client.v1.workspaces.config import WorkspaceConfig
from dispatcher.client.v1.workspaces.experiment import Experiment
from dispatcher.client.v1.workspaces.workspace import Workspace
from tests.chaos.effects import Effects
from tests.chaos.scenario import ENDED, NOTE
from tests.rigs.service import Service


@dataclass(frozen=True)
class Fanout:
    """`count` runs that take so many seconds each; every tenth exits with 3."""

    service: Service
    effects: Effects
    count: int
    seconds: float
    target: str = "local"
    name: str = "f"

    @property
    def ids(self) -> list[str]:
        return [f"{self.name}{k:05}" for k in range(self.count)]

    def submit(self, at_once: int = 500) -> None:
        """Submit all, so many with each call."""
        specs = [self._spec(k, run_id) for k, run_id in enumerate(self.ids)]
        for k in range(0, self.count, at_once):
            self.service.submit(*specs[k : k + at_once])

    def ended(self) -> int:
        """How many have ended in truth; it costs no call of the service."""
        return self.effects.path.read_bytes().count(b" end\n")

    def judge(self, told: dict[str, str]) -> Iterator[tuple[str, str]]:
        """Compare what waiters were told, what the service says now, and what scripts did."""
        did = self.effects.count()
        views = self._views()
        for k, run_id in enumerate(self.ids):
            seen = views.get(run_id)
            if seen is None:
                yield "lost", f"{run_id} is not known"
                continue
            starts, ends = did[(run_id, 1, "start")], did[(run_id, 1, "end")]
            says = f"{run_id} {seen['status']} ({seen['exit_code']}) attempt {seen['attempt']}"
            says += f", {starts} starts, {ends} ends"
            if not starts:
                yield "lost", says
            if starts > 1 or seen["attempt"] > 1:
                yield "dup", says
            if seen["status"] not in ENDED:
                yield "stuck", says
            elif (seen["status"], seen["exit_code"], ends) != (*self._expected(k), 1):
                yield "wrong", says
            if told.get(run_id) in ENDED and told[run_id] != seen["status"]:
                yield "flip", f"a waiter was told {told[run_id]}: {says}"

    def runs(self) -> Sequence[Run]:
        """The runs as a user's program holds them."""
        config = WorkspaceConfig("local", "local", "chaos", str(self.service.data))
        workspace = Workspace("local", "local", "chaos", _config=config)
        workspace._connection = self.service.client()
        experiment = Experiment(workspace, "chaos", _create_in_cloud=False)
        return [run_of(experiment, {"id": run_id, "type": None}) for run_id in self.ids]

    def _expected(self, k: int) -> tuple[str, int]:
        return ("Failed", 3) if k % 10 == 0 else ("Completed", 0)

    def _spec(self, k: int, run_id: str) -> dict[str, object]:
        _, code = self._expected(k)
        return {
            "id": run_id,
            "target": self.target,
            "command": f"{NOTE}sleep {self.seconds}; note end; exit {code}",
            "environment_variables": {"CHAOS_EFFECTS": str(self.effects.path)},
        }

    def _views(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        after: list[tuple[str, str]] = []
        while True:
            page = self.service.transport.get("/runs", [("experiment", "chaos"), *after])
            found.update((run["id"], run) for run in page["runs"])
            if not page.get("next"):
                return found
            after = [("cursor", page["next"])]
