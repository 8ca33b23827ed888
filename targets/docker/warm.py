"""Warm jobs: scripts that ask for nothing of their own, forked in a container that stays.

A start costs milliseconds instead of a container. The price is what separates one run from another:
runs that share a container share its user, so one that means harm can read what the others are
given (their run tokens among it) and write, end them, or say that they ended. From the machine and
from other containers they are kept away exactly as cold jobs are. So a target does this only where
it is told to (`warm`), and never for a run with GPUs or limits.

Claims decide (`claims.py`): a name is claimed for one container before its agent hears of
it, and looked for there ever after. It is claimed for another only when the first container has
ended and its agent had not claimed the job, so that it can never have started.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from dispatcher.core.jobs import ABSENT, Job, Observation, State
from targets.base import LaunchRefused, Report, TargetError, TargetUnavailable
from targets.config import DockerConfig
from targets.docker import evidence, profile
from targets.docker.claims import Claim, Claims, Entry, entry_of
from targets.docker.cold import LAST_WORDS, later
from targets.docker.profile import Ground
from targets.docker.shelf import Shelf
from targets.docker.spools import Spools
from targets.docker.warm_box import WarmBox
from targets.docker.warm_pool import Pool

SILENCE = 60.0  # a container whose agent does not answer for so long is ended
_LIVE = (Claim.LAUNCHED, Claim.STOPPED)
_OVER = {State.EXITED, State.REMOVED, State.ABSENT}

log = logging.getLogger(__name__)
Entries = Mapping[str, Entry]


class Warm:
    """The jobs in warm containers. Any thread may ask."""

    def __init__(
        self,
        config: DockerConfig,
        ground: Ground,
        pool: Pool,
        claims: Claims,
        shelf: Shelf,
        spools: Spools,
    ) -> None:
        self._config, self._ground, self._pool = config, ground, pool
        self._claims, self._shelf, self._spools = claims, shelf, spools
        self._known: dict[str, Entry] = {}  # the jobs that an agent may say something of
        self._over: set[str] = set()  # those of them whose end has been told
        self._report: Report | None = None

    def takes(self, job: Job) -> bool:
        """Whether the job may be started warm."""
        return profile.is_warm(job, self._config)

    # Starting

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        """Give each job to a container, unless it was ever started; answer what went wrong."""
        errors: dict[str, TargetError] = {}
        given: dict[str, list[Job]] = defaultdict(list)
        with self._pool.lock:
            for job in jobs:
                try:
                    box = self._box_of(job)
                    if box is not None:
                        given[box.name].append(job)
                except TargetError as error:
                    errors[job.name] = error
            if given:
                self._claims.sync()  # one for all of them, before anything starts
            for name, mine in given.items():
                errors |= self._submit(name, mine)
        for name, failed in errors.items():
            if isinstance(failed, LaunchRefused) and self._claims.get(name) is None:
                self._claims.withdraw(name)
        return errors

    def _submit(self, name: str, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        box = self._pool.get(name)
        seen = [profile.inside(job, self._ground.socket).wire() for job in jobs]
        try:
            if box is not None:
                box.ask("submit", jobs=seen)
        except TargetUnavailable as error:
            return {job.name: error for job in jobs}
        return {}

    def _box_of(self, job: Job) -> WarmBox | None:
        """The container that the job is claimed for; None if it does not start any more."""
        entry = self._claims.get(job.name)
        if entry is not None and entry.claim is not Claim.LAUNCHED:
            return None
        if entry is not None:
            earlier = self._pool.get(entry.box) if entry.box else None
            if earlier is not None and earlier.ended() is None:
                return earlier  # it may have heard of the job, or not
            if earlier is not None and earlier.observe([job.name])[job.name] != ABSENT:
                return None
        if job.snapshot:
            self._shelf.fetch(job.snapshot)
        box = self._pool.ready(job)
        claimed = entry_of(job, box.name)
        if entry is not None:
            self._claims.put(job.name, claimed, durable=False)
        elif self._claims.take(job.name, claimed, durable=False) != claimed:
            return None
        self._known[job.name] = claimed
        self._spools.follow(job.name, claimed, is_new=True)
        return box

    # Looking

    def watch(self, report: Report) -> None:
        """Report what the agents tell."""
        self._report = report
        self._pool.watch(self._hear)

    def poll(self, entries: Entries) -> Mapping[str, Observation]:
        """What is to be seen of jobs that were claimed for a warm container."""
        over = {n: e for n, e in entries.items() if e.claim not in _LIVE}
        gone = {n: evidence.removed(e, time.time()) for n, e in over.items()}
        seen = dict[str, Observation]()
        for box, mine in self._by_box({n: e for n, e in entries.items() if n not in gone}):
            self._known |= mine
            found = box.observe(mine) if box else dict.fromkeys(mine, Observation(State.ABSENT))
            seen |= {name: self._seen(name, mine[name], one) for name, one in found.items()}
        return {**gone, **seen}

    def names(self) -> list[str]:
        """The jobs that have folders in a container that they were claimed for.

        Whoever has a container may make folders there.
        """
        found = [(name, box.name) for box in self._pool.everyone() for name in box.jobs()]
        entries = ((name, box, self._claims.get(name)) for name, box in found)
        return [name for name, box, entry in entries if entry and entry.box == box]

    def _seen(self, name: str, entry: Entry, seen: Observation) -> Observation:
        if seen.state is State.ABSENT and entry.claim is Claim.STOPPED:
            return Observation(State.REMOVED)
        if seen.state is State.ALIVE:
            self._spools.follow(name, entry)
        if seen.state is not State.EXITED:
            return seen
        if not self._spools.ended(name, entry):
            return Observation(State.ALIVE, seen.started_at)
        self._over.add(name)
        ending, was_stopped = seen.evidence, entry.claim is Claim.STOPPED
        if ending and was_stopped and ending.reason in evidence.LOSSES:
            return replace(seen, evidence=replace(ending, reason="stopped"))
        return seen

    def _hear(self, box: WarmBox, told: Mapping[str, Observation]) -> None:
        """An agent tells of jobs: of its own, or nobody hears it."""
        if self._report is None:
            return
        seen = dict[str, Observation]()
        for name, one in told.items():
            known = self._known.get(name)
            if known is not None and known.box == box.name:
                seen[name] = self._seen(name, self._claims.get(name) or known, one)
        if seen or not told:
            self._report(seen)

    # Ending

    def stop(self, entries: Entries, grace: float) -> None:
        """SIGTERM now, SIGKILL after the grace; what has not started is withdrawn."""
        new = [name for name, entry in entries.items() if entry.claim is Claim.LAUNCHED]
        for name in new:
            self._claims.put(name, replace(entries[name], claim=Claim.STOPPED), durable=False)
        if new:
            self._claims.sync()
        for box, mine in self._by_box(entries):
            if box is None:
                continue
            try:
                box.ask("stop", names=list(mine), grace=grace)
            except TargetUnavailable:
                if box.ended() is None:
                    raise
            self._kill_later(box, [name for name in mine if name in new], grace)

    def _kill_later(self, box: WarmBox, names: Collection[str], grace: float) -> None:
        """What its supervisor cannot end in time is ended with the container."""

        def kill() -> None:
            try:
                if {one.state for one in box.observe(names).values()} - _OVER:
                    log.warning("%s is ended: a job in it does not stop", box.name)
                    box.kill()
            except TargetUnavailable as error:  # whoever asked for the stop will ask again
                log.warning("cannot end %s: %s", box.name, error)

        if names:
            later(grace + LAST_WORDS, kill)

    # Forgetting

    def remove(self, entries: Entries) -> None:
        """Delete what ended jobs have left, once their telemetry is shipped."""
        for box, mine in self._by_box(entries):
            asked = [name for name in mine if name not in self._over]
            seen = box.observe(asked) if box and asked else {}
            if any(one.state is State.UNKNOWN for one in seen.values()):
                raise TargetUnavailable(f"the agent of {box and box.name} does not answer")
            over = [n for n in mine if n not in seen or seen[n].state in _OVER]
            for name in over:
                self._claims.put(name, replace(mine[name], claim=Claim.REMOVED), durable=False)
                self._spools.ended(name, mine[name])  # also of one that nobody has looked at
            self._delete(box, [name for name in over if not self._spools.owes(name)])

    def complete(self, name: str) -> None:
        """The service has all of an ended job: one that was removed before can go."""
        entry = self._claims.get(name)
        if entry is not None and entry.box and entry.claim is Claim.REMOVED:
            self._delete(self._pool.get(entry.box), [name])

    def _delete(self, box: WarmBox | None, names: Sequence[str]) -> None:
        for name in names:
            self._known.pop(name, None)
            self._over.discard(name)
            self._spools.forget(name)
        if box is None or not names:
            return
        try:
            box.ask("remove", names=names)
        except TargetUnavailable:
            if box.ended() is None:
                raise
            for name in names:
                box.delete(name)

    def sweep(self) -> None:
        """End containers that nobody needs, and delete what is left of ended ones."""
        for box in self._pool.everyone():
            with self._pool.lock:
                if not self._needed(box):
                    self._pool.forget(box)

    def _needed(self, box: WarmBox) -> bool:
        given = [name for name, entry in list(self._known.items()) if entry.box == box.name]
        for name in {*box.jobs(), *given}:  # one that still waits there has no folder yet
            entry = self._claims.get(name)
            if entry is None or entry.box != box.name:
                continue
            if entry.claim in _LIVE:
                if box.silent_since and time.monotonic() > box.silent_since + SILENCE:
                    box.kill()
                return True
            if box.ended() is not None and not self._spools.ended(name, entry):
                return True
        is_idle = time.monotonic() > box.used_at + self._config.warm_idle_seconds
        return box.ended() is None and not is_idle

    def _by_box(self, entries: Entries) -> Iterable[tuple[WarmBox | None, dict[str, Entry]]]:
        groups: dict[str, dict[str, Entry]] = defaultdict(dict)
        for name, entry in entries.items():
            groups[entry.box or ""][name] = entry
        return [(self._pool.get(box), mine) for box, mine in groups.items()]
