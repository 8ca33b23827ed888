"""Gives jobs to fork servers: fetches their snapshot first, and picks how they start."""

from __future__ import annotations

import logging
import os
import sys
from collections import defaultdict, deque

from dispatcher.agent.folders import Root, write_json
from dispatcher.agent.line import Line
from dispatcher.agent.lookout import CREATED, withdraw
from dispatcher.agent.starting.forkers import Forkers
from dispatcher.agent.starting.methods import Key, key_of, own_modules, why_fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque, Dict, FrozenSet, List, Mapping, Optional, Tuple

    from dispatcher.agent.book import Book, Entry
    from dispatcher.agent.builds.environments import Failure
    from dispatcher.agent.builds.preparing import Preparing
    from dispatcher.agent.loop import Loop
    from dispatcher.agent.snapshots import Snapshots

log = logging.getLogger(__name__)
_AT_ONCE = 32


class Placing:
    """Starts jobs of the book; all of it happens in the loop's thread but `launch`.

    Args:
        root: The agent's root.
        interpreter: What `python` means for jobs.
        book: The jobs.
        loop: The agent's thread.
        snapshots: The node's snapshots.
        preparing: The jobs that wait for an environment.
        examine: Called with the name of a job that was ended here.
    """

    def __init__(
        self,
        root: Root,
        interpreter: str,
        book: Book,
        loop: Loop,
        snapshots: Snapshots,
        preparing: Preparing,
        examine: Callable[[str], None],
    ) -> None:
        self._root, self._interpreter = root, interpreter
        self._book, self._loop, self._snapshots = book, loop, snapshots
        self._preparing = preparing
        self._examine = examine
        self._line = Line(book, self._place)
        self._queue: Deque[str] = deque()
        self._for_snapshot: Dict[str, List[str]] = defaultdict(list)
        self._for_forker: Dict[Key, List[str]] = defaultdict(list)
        self._own_modules: Dict[Tuple[str, str], FrozenSet[str]] = {}
        self._plain = Key(sys.executable, (), ())
        self._forkers: Optional[Forkers] = None

    def start(self, forkers: Forkers) -> None:
        """Begin; the plain fork server is started at once, because any job may need it."""
        self._forkers = forkers
        self._line.adopt()
        forkers.get(self._plain)

    def launch(self, names: List[str]) -> None:
        """Start these, in this order, as soon as it can be. From any thread; returns at once."""
        self._queue.extend(names)
        self._loop.call(self._work)

    def snapshot_is_here(self, snapshot: str, error: Optional[str]) -> None:
        """Go on with the jobs that waited for it, or end them if it can never be had."""
        names = self._for_snapshot.pop(snapshot, [])
        if error is None:
            self.launch(names)
            return
        for name in names:
            self._refuse(name, f"cannot start: snapshot {snapshot}: {error}")

    def environment_is_here(self, environment: str, failure: Optional[Failure]) -> None:
        """Go on with the jobs that waited for it, or end them if it cannot be built."""
        self._preparing.done(environment, failure, self.launch, self._refuse)

    def forker_is_ready(self, key: Key) -> None:
        """Go on with the jobs that waited for it, also when it could not start."""
        self.launch(self._for_forker.pop(key, []))

    def forker_is_gone(self, key: Key) -> None:
        """Place again what it may not have started; what it did start has a claim."""
        again = [e.name for e in self._book.entries() if e.key == key and e.state == CREATED]
        for name in again:
            entry = self._book.get(name)
            if entry is not None:
                entry.key = None
        self.launch([*self._for_forker.pop(key, []), *again])

    def move_up(self) -> None:
        """A job has ended: those that came ahead of their turn may have room now."""
        self._line.move_up()

    def _work(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._queue))):
            entry = self._book.get(self._queue.popleft())
            if entry is not None and entry.state == CREATED and entry.key is None:
                self._place(entry)
        if self._queue:
            self._loop.call(self._work)  # what was heard meanwhile comes first

    def _place(self, entry: Entry) -> None:
        if entry.job.get("room") is None:
            self._line.takes(entry)  # its turn has come, however long it is prepared
        if entry.job.get("environment") is not None and not self._preparing.is_ready(entry):
            return
        job = entry.job
        snapshot: Optional[str] = job.get("snapshot")
        if snapshot is not None and not self._snapshots.has(snapshot):
            self._for_snapshot[snapshot].append(entry.name)
            self._snapshots.want(snapshot)
            return
        key = self._choose(entry)
        if key is None or self._line.must_wait(entry):
            return
        try:
            folder = self._root.job(entry.name)
            os.makedirs(folder, exist_ok=True)
            write_json(f"{folder}/job.json", job)
        except OSError as error:
            self._refuse(entry.name, f"cannot start: {error}")
            return
        self._order(entry, key)

    def _choose(self, entry: Entry) -> Optional[Key]:
        """The forker to give it to; None: it has to wait until one is known to be able to."""
        job = entry.job
        key = key_of(job, self._interpreter)
        if why_fresh(job, key, self._interpreter) is not None or self._forkers is None:
            return self._plain
        forker = self._forkers.get(key)
        if forker is None:
            entry.note = f"started fresh: {self._forkers.why_broken(key)}"
            return self._plain
        if forker.ready is None:
            self._for_forker[key].append(entry.name)
            return None
        shadowed = self._modules_of(job) & forker.modules
        if shadowed:
            if job.get("start") == "fork":
                names = ", ".join(sorted(shadowed))
                entry.note = f"started fresh: the snapshot has its own {names}"
            return self._plain
        entry.note = None
        entry.forks = True
        return key

    def _modules_of(self, job: Mapping[str, object]) -> FrozenSet[str]:
        snapshot, script = job.get("snapshot"), str(job.get("script"))
        if snapshot is None:
            return frozenset()
        where = (str(snapshot), os.path.dirname(script))
        if where not in self._own_modules:
            folder = self._snapshots.path(str(snapshot))
            self._own_modules[where] = own_modules(folder, script)
        return self._own_modules[where]

    def _order(self, entry: Entry, key: Key) -> None:
        forker = self._forkers.get(key) if self._forkers is not None else None
        if forker is None:
            self._refuse(entry.name, "cannot start: this node's fork server does not start")
            return
        entry.key = key
        self._line.takes(entry)
        start = "fork" if entry.forks else "fresh"
        forker.order({"name": entry.name, "start": start, "note": entry.note})

    def _refuse(self, name: str, reason: str, tail: str = "") -> None:
        log.warning("refused", extra={"job": name, "reason": reason})
        withdraw(self._root, name, reason, tail)
        self._examine(name)
