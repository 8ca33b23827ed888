"""Compares what the service says with what scripts did, in Jepsen's words.

lost: acknowledged, never started and not canceled; dup: one attempt started twice, or an attempt
that nobody had a reason for; stuck: not over at the drain limit; wrong: what is recorded disagrees
with what was done; flip: a terminal state changed; leak: something is left over; recovered: taken
without an acknowledgement, and shown to the client that asks again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.chaos.scenario import ENDED, ROLES, Role, Scenario

WORDS = ("lost", "dup", "stuck", "wrong", "flip", "leak")


@dataclass
class Tally:
    """Counts, and a sentence about each thing that is not as it must be."""

    points: int = 0
    killed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def add(self, found: Iterable[tuple[str, str]], where: str) -> None:
        for word, text in found:
            self.counts[word] += 1
            if word != "recovered":
                self.findings.append(f"{word} at {where}: {text}")

    def merge(self, other: "Tally") -> None:
        self.points += other.points
        self.killed += other.killed
        self.counts += other.counts
        self.findings += other.findings

    @property
    def clean(self) -> bool:
        return not any(self.counts[word] for word in WORDS)

    def row(self, name: str) -> str:
        cells = [self.points, self.killed, *(self.counts[w] for w in (*WORDS, "recovered"))]
        return f"{name:<24}" + "".join(f"{cell:>10}" for cell in cells)


def header() -> str:
    words = ("points", "killed", *WORDS, "recovered")
    return f"{'':<24}" + "".join(f"{word:>10}" for word in words)


def judge(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Everything that is to be said of one played scenario."""
    for run_id in scenario.recovered:
        yield "recovered", run_id
    for role in (role for role in ROLES if role != "child"):
        yield from _judge_run(scenario, scenario.id(role), ROLES[role])
    if len(scenario.children) != 1:
        yield "dup" if scenario.children else "lost", f"the parent has {scenario.children}"
    for child in scenario.children:
        yield from _judge_run(scenario, child, ROLES["child"])


def _judge_run(scenario: Scenario, run_id: str, role: Role) -> Iterator[tuple[str, str]]:
    did = Counter({k: n for k, n in scenario.stage.effects.count().items() if k[0] == run_id})
    seen = scenario.seen.get(run_id)
    if seen is None:
        yield "lost", f"{run_id} is not known"
        return
    starts, ends = did[(run_id, 1, "start")], did[(run_id, 1, "end")]
    says = f"{run_id} is {seen['status']} ({seen['exit_code']}), attempt {seen['attempt']}; {did}"
    if role.starts and not starts:
        yield "lost", says
    if starts > 1 or any(attempt > 1 for _, attempt, _ in did) or seen["attempt"] > 1:
        yield "dup", says
    if seen["status"] not in ENDED:
        yield "stuck", says
        return
    code = seen["exit_code"] if role.exit_code is not None else None
    told = (seen["status"], code, bool(starts), bool(ends))
    if told != (role.status, role.exit_code, role.starts, role.ends):
        yield "wrong", says
    if role.speaks:
        yield from _judge_words(scenario, run_id)


def _judge_words(scenario: Scenario, run_id: str) -> Iterator[tuple[str, str]]:
    """Its log and its metric came whole, and once."""
    get = scenario.stage.service.transport
    points = get.get(f"/runs/{run_id}/metrics")["runs"].get(run_id, [])
    if [point["v"] for point in points] != [1.0]:
        yield "wrong", f"{run_id} has the points {points}"
    log = get.send("GET", f"/runs/{run_id}/logs/user_logs/std_log.txt").body
    if log != b"a word\n":
        yield "wrong", f"{run_id} has the log {log!r}"


def judge_later(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What shows only after a while, and after another restart: flips."""
    for run_id, before in scenario.seen.items():
        after = scenario.stage.service.view(run_id)
        told = ("status", "exit_code", "attempt", "ended_at")
        if before["status"] in ENDED and any(before[k] != after[k] for k in told):
            yield "flip", f"{run_id} was {before['status']}, is {after['status']}"
