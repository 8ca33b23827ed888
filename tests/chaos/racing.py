"""Races: what is to happen at once waits at a barrier, and what came of it is compared."""

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatcher.client.errors import ServiceException
from tests.chaos.effects import Effects
from tests.chaos.scenario import ENDED, NOTE
from tests.rigs.service import Service
from tests.rigs.waiting import until


@dataclass(frozen=True)
class Track:
    """A service to race on."""

    service: Service
    effects: Effects
    folder: Path

    def spec(self, run_id: str, command: str, **more: Any) -> dict[str, Any]:
        variables = {"CHAOS_EFFECTS": str(self.effects.path)}
        whole = {"id": run_id, "command": NOTE + command, "target": "local", "grace_seconds": 1}
        return {**whole, "environment_variables": variables, **more}


@contextmanager
def track(folder: Path, room: int = 64) -> Iterator[Track]:
    service = Service(folder)
    try:
        service.start()
        service.attach("local", kind="local", cpus=room)
        yield Track(service, Effects(folder / "effects"), folder)
    finally:
        service.close()


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of it at the same moment; what each answered."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [done.result(60) for done in [pool.submit(run, act) for act in acts]]


def cancel_races(made: Track, count: int, abreast: int, seed: int) -> Counter[str]:
    """Scripts that end at the moment of their cancel; how many ended which way, and what is wrong.

    `disagreement`: two callers were told different ends; `flip`: an end has changed; `wrong`: it
    is said to have completed, and did not come to its end.
    """
    found: Counter[str] = Counter()
    luck = random.Random(seed)
    delays = [luck.uniform(0, 0.004) for _ in range(count)]
    with ThreadPoolExecutor(abreast) as pool:
        ends = list(pool.map(lambda k: _cancel_race(made, k, delays[k]), range(count)))
    for k, told in enumerate(ends):
        last = made.service.view(f"c{k}")["status"]
        found[last] += 1
        found["disagreement"] += len(set(told)) > 1
        found["flip"] += last != told[0]
        found["wrong"] += last == "Completed" and not made.effects.has(f"c{k}", "end")

    return found


def _cancel_race(made: Track, k: int, delay: float) -> list[str]:
    """One race; what the one who waits and the one who cancels are told in the end."""
    run_id, gate = f"c{k}", made.folder / f"gate{k}"
    os.mkfifo(gate)
    made.service.submit(made.spec(run_id, f'read x < "{gate}"; note end'))
    opened = os.open(gate, os.O_WRONLY)  # returns when the script has opened its end
    hurry = threading.Event()

    def let_go() -> None:
        with suppress(BrokenPipeError):  # the cancel was quicker
            os.write(opened, b"\n")
        os.close(opened)

    def cancel() -> str:
        hurry.wait(delay)
        made.service.cancel(run_id)
        return _end(made.service, run_id)

    _, canceled, waited = at_once(let_go, cancel, lambda: _end(made.service, run_id))
    return [canceled, waited]


def _end(service: Service, run_id: str) -> str:
    def ended() -> str | None:
        status = service.wait([run_id], 10)[run_id]
        return status if status in ENDED else None

    return until(ended, f"{run_id} has ended", 60)


def child_races(made: Track, count: int, abreast: int) -> Counter[str]:
    """Children submitted while their parent is being canceled: refused, or canceled."""
    with ThreadPoolExecutor(abreast) as pool:
        answers = list(pool.map(lambda k: _child_race(made, k), range(count)))
    found: Counter[str] = Counter(answers)
    for k, answer in enumerate(answers):
        child = made.service.find_run(f"k{k}")
        if answer == "refused":
            found["refused, but there"] += child is not None
            continue
        assert child is not None
        status = child["status"] if child["terminal"] else _end(made.service, f"k{k}")
        found[f"taken, then {status}"] += 1
    return found


def _child_race(made: Track, k: int) -> str:
    parent, child = f"q{k}", f"k{k}"
    made.service.submit(made.spec(parent, "sleep 60"))
    until(lambda: made.effects.has(parent, "start"), f"{parent} runs")

    hurry = threading.Event()

    def submit() -> str:
        hurry.wait(k % 5 / 1000)
        try:
            made.service.submit(made.spec(child, "sleep 60; note end", parent_id=parent))
        except ServiceException as error:
            return "refused" if error.status_code == 409 else str(error)
        return "taken"

    answer, _ = at_once(submit, lambda: made.service.cancel(parent))
    assert _end(made.service, parent) == "Canceled"
    return str(answer)


def cancel_tree(made: Track, children: int, room: int) -> Counter[str]:
    """A parent, half of its children running and half queued, canceled; how they ended, and how
    many started after the cancel was acknowledged.
    """
    ids = [f"t{k}" for k in range(children)]
    made.service.submit(made.spec("tree", "sleep 120", cpus=0))
    made.service.submit(*(made.spec(run_id, "sleep 120", parent_id="tree") for run_id in ids))
    until(lambda: len(made.effects.starts(ids)) == room, f"{room} children run", 60)

    made.service.cancel("tree")
    before = made.effects.starts(ids)
    until(lambda: set(made.service.wait(ids, 10).values()) <= ENDED, "all have ended", 60)

    found = Counter(made.service.wait(ids, 0).values())
    found["started after"] = (made.effects.starts(ids) - before).total()
    found["ran to the end"] = sum(made.effects.has(run_id, "end") for run_id in ids)
    return found
