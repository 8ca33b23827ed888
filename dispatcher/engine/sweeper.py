"""The driver of sweeps: one thread that looks at each open sweep and does what it needs next.

Like the engine it looks at what is: the sweep as it is kept, its trials as they are, what they have
logged. A trial is submitted as an ordinary child run, in one commit with what the sweep's tags say
of it, under a key that its parent can have once; so a service killed at any line has made it or has
not, and the next one goes on with the rest. Commits of trials and new metrics wake it; every `LOOK`
seconds it looks at everything, whatever was heard or not.

It drives while its engine holds the lease, and each of its commits is refused once another has
taken over.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.core.errors import Conflict, DispatcherError, RunConflict, StoreUnavailable
from dispatcher.core.lifecycle import Run
from dispatcher.core.sweeps import TYPE, Cell, advance, told, trial_spec
from dispatcher.engine.leadership import supervise
from dispatcher.engine.sweep_book import Book, Entry, load
from dispatcher.services.status import Fence, Fenced, StatusService, require_lease
from dispatcher.services.submission import SubmissionService
from dispatcher.services.sweeps import OURS, SweepService
from dispatcher.services.tracking import Chunk, TrackingService
from dispatcher.services.trials import Trial, all_trials
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store, Transaction

log = logging.getLogger(__name__)

LOOK = 5.0
FLUSH = 1.0  # seconds between two writes to a sweep's log
TAGGED = 1_000  # v1's most trials: so many are named in the tags of the sweep's run
LOG = "log:azureml-logs/hyperdrive.txt"


@dataclass(frozen=True)
class Heard:
    """Runs that have logged something, or a sweep that was changed."""

    ids: Collection[str]


@dataclass(frozen=True)
class Parts:
    """What the sweeper works with."""

    store: Store
    status: StatusService
    submission: SubmissionService
    tracking: TrackingService
    sweeps: SweepService
    clock: Callable[[], float]


class Sweeper:
    """Drives all open sweeps of an installation."""

    def __init__(self, store: Store) -> None:
        self._inbox: queue.SimpleQueue[Run | Heard | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._books: dict[str, Book] = {}
        self._fence: Fence | None = None
        store.subscribe(self._committed)

    def start(self, parts: Parts, fence: Callable[[], Fence | None]) -> None:
        """Drive, while `fence` says that this process leads."""
        self._parts, self._ask_fence = parts, fence
        self._thread.start()

    def stop(self) -> None:
        """End the loop. Trials go on; the next sweeper finds them."""
        self._stopping.set()
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(10)

    def poke(self, run_id: str) -> None:
        """A sweep was changed; any thread."""
        self._inbox.put(Heard((run_id,)))

    def heard(self, ids: Collection[str]) -> None:
        """Runs have logged something; any thread."""
        if self._books:
            self._inbox.put(Heard(ids))

    def _committed(self, commit: Commit) -> None:
        """Called by the thread that delivers the commit."""
        for run in commit.runs:
            if run.spec.type == TYPE or run.spec.parent_id in self._books:
                self._inbox.put(run)

    def _run(self) -> None:
        supervise("sweeper", self._lead, self._stopping, log)

    def _lead(self) -> None:
        """Drive until the lease is lost; everything in memory is made anew."""
        self._books = {}
        self._fence = self._ask_fence()
        if self._fence is None:
            return
        looked = -LOOK * 1000
        while not self._stopping.is_set() and self._ask_fence() == self._fence:
            now = time.monotonic()
            if now - looked >= LOOK:
                self._look()
                looked = now
            self._turn(self._gather(self._patience(looked + LOOK - time.monotonic())))

    def _patience(self, seconds: float) -> float:
        """How long to wait for news: until the next look, or until a sweep's time is over."""
        now = self._parts.clock()
        due = [book.deadline - now for book in self._books.values() if book.deadline > now]
        return max(0.0, min([seconds, *due]))

    def _gather(self, seconds: float) -> list[Run | Heard]:
        items: list[Run | Heard] = []
        try:
            item = self._inbox.get(timeout=seconds) if seconds else self._inbox.get_nowait()
            while True:
                if item is not None:
                    items.append(item)
                item = self._inbox.get_nowait()
        except queue.Empty:
            return items

    def _look(self) -> None:
        """Look at every open sweep, whatever was or was not heard."""
        sweeps = self._parts.store.read(lambda tx: tx.sweeps.unfinished())
        for gone in self._books.keys() - sweeps.keys():
            del self._books[gone]
        for run_id, sweep in sweeps.items():
            book = self._books.get(run_id)
            if book is None:
                self._load(run_id)
                continue
            book.sweep = sweep
            self._follow(book)
        for book in list(self._books.values()):
            if book.watches:
                book.unread.update(book.open)
            self._drive(book)

    def _follow(self, book: Book) -> None:
        """What other processes have committed of the trials, and of the sweep itself."""
        ids = [book.run.id, *book.open]
        runs = self._parts.store.read(lambda tx: tx.runs.get(ids))
        book.run = runs.pop(book.run.id)
        for run in runs.values():
            book.put(run)

    def _load(self, run_id: str) -> None:
        """Read a sweep and its trials, from the moment on that its commits are followed."""
        self._books.pop(run_id, None)
        book = self._parts.store.read(lambda tx: self._read(tx, run_id))
        if book is not None:
            self._books[run_id] = book
            # Commits between that read and now went by unheard: nobody followed this sweep yet.
            for run in self._parts.store.read(lambda tx: all_trials(tx, run_id)):
                book.put(run)

    def _read(self, tx: Transaction, run_id: str) -> Book | None:
        sweep, run = tx.sweeps.get([run_id]).get(run_id), tx.runs.get([run_id]).get(run_id)
        if sweep is None or run is None or sweep.over:
            return None
        suggester = self._parts.sweeps.suggester(tx, sweep.spec)
        return load(sweep, run, suggester, all_trials(tx, run_id))

    def _turn(self, items: Sequence[Run | Heard]) -> None:
        stirred: dict[str, None] = {}
        for item in items:
            if isinstance(item, Heard):
                stirred.update(dict.fromkeys(self._stirred_by(item)))
            elif item.spec.type == TYPE:
                stirred[item.id] = None
                if item.id in self._books:
                    self._books[item.id].run = item
                elif not item.terminal:
                    self._load(item.id)
            else:
                book = self._books.get(item.spec.parent_id or "")
                if book is not None and book.put(item):
                    stirred[book.run.id] = None
        for run_id in stirred:
            if run_id in self._books:
                self._drive(self._books[run_id])

    def _stirred_by(self, heard: Heard) -> list[str]:
        found = []
        for run_id in heard.ids:
            if run_id in self._books:  # the sweep itself was changed
                sweep = self._parts.store.read(lambda tx, key=run_id: tx.sweeps.get([key]))  # type: ignore[misc]
                self._books[run_id].sweep = sweep[run_id]
                found.append(run_id)
                continue
            book = self._books.get(run_id.rpartition("_")[0])
            if book is not None and book.heard(run_id):
                found.append(book.run.id)
        return found

    def _drive(self, book: Book) -> None:
        """Do what a sweep needs now. Its faults are its own: they end it, and no other."""
        try:
            self._step(book)
        except (Fenced, StoreUnavailable):
            raise
        except Conflict:  # someone else has moved: look again
            log.info("a sweep has moved meanwhile", extra={"run": book.run.id})
            self._load(book.run.id)
        except DispatcherError as error:
            self._fail(book, "UserError", error)
        except Exception as error:
            log.exception("a sweep meets a fault of ours", extra={"run": book.run.id})
            self._fail(book, "ServiceError", error)

    def _step(self, book: Book) -> None:
        if book.run.terminal:
            self._close(book)
            return
        self._read_metrics(book)
        for entry, interval in book.judge():
            self._stop(book, entry, interval)
        due = advance(book.sweep, book.counts(), book.deadline, self._parts.clock())
        if due.cancel:
            self._say(book, "max_duration_minutes is over: the trials that run are canceled")
            for run_id in list(book.open):
                self._cancel(run_id)
        if due.start or due.retry:
            self._submit(book, book.cells(due.start, due.retry))
        if due.end:
            self._end(book)
        elif time.monotonic() - book.flushed >= FLUSH:
            self._flush(book)

    def _read_metrics(self, book: Book) -> None:
        unread, book.unread = list(book.unread.values()), {}
        if not unread:
            return
        metrics = [metric.name for metric in book.sweep.spec.metrics]

        def work(tx: Transaction) -> None:
            for entry in unread:
                for metric in metrics:
                    place = entry.places.get(metric, 0)
                    samples = tx.metrics.history(entry.id, metric, entry.attempt, after=place)
                    book.read(entry, samples, metric)

        self._parts.store.read(work)

    def _stop(self, book: Book, entry: Entry, interval: int) -> None:
        policy = book.sweep.spec.policy.name
        self._say(book, f"{entry.id} is ended by {policy} at interval {interval}")
        tag = {f"{OURS}ended_by": f"{policy} at interval {interval}"}
        self._write(lambda tx: tx.labels.set_tags(entry.id, tag))
        self._cancel(entry.id)

    def _cancel(self, run_id: str) -> None:
        self._parts.status.cancel(run_id, self._fence)

    def _write(self, work: Callable[[Transaction], None]) -> None:
        """Write, unless another process has taken over."""

        def fenced(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            work(tx)

        self._parts.store.write(fenced)

    def _submit(self, book: Book, cells: Sequence[Cell]) -> None:
        if not cells:
            return
        spec, fence = book.sweep.spec, self._fence
        specs = [trial_spec(spec, cell) for cell in cells]
        tags = {
            f"{OURS}{run.id}": told(cell.values)
            for run, cell in zip(specs, cells, strict=True)
            if cell.number < TAGGED
        }

        def first(tx: Transaction) -> None:
            require_lease(tx, fence)
            tx.labels.set_tags(spec.id, tags)

        for run in self._parts.submission.submit(specs, SERVICE_GRANT, first):
            book.put(run)
            self._say(book, f"{run.id} is queued with {run.spec.properties['hyperparameters']}")

    def _end(self, book: Book) -> None:
        best = self._parts.sweeps.ranked([book.run.id], top=1, with_metric=True)
        words = _words(best)
        if best and book.sweep.spec.further_metrics:
            front = self._parts.sweeps.front([book.run.id])
            words = f"{len(front)} are on the front, {best[0].run.id} the first of them"
        self._say(book, f"the sweep is over after {len(book.entries)} trials; {words}")
        self._flush(book)
        facts: dict[str, str | None] = {"best_metric_status": "Succeeded" if best else "NoMetric"}
        if best:
            facts |= {"score": str(best[0].best), "best_child_run_id": best[0].run.id}
        decided_on = book.sweep

        def also(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            stored = tx.sweeps.get([book.run.id])[book.run.id]
            if stored != decided_on:  # it was extended, or its failed trials are to be retried
                raise RunConflict(f"sweep {book.run.id} was changed while it was to end")
            tx.labels.add_properties(book.run.id, facts)
            tx.sweeps.put(replace(stored, over=True))

        self._parts.status.finish(book.run.id, None, also)
        self._forget(book)

    def _fail(self, book: Book, code: str, error: Exception) -> None:
        """The sweep cannot go on, as when its target was detached: it ends and says why."""
        log.warning("a sweep has failed", extra={"run": book.run.id}, exc_info=error)
        self._say(book, f"the sweep has failed: {error}")
        self._flush(book)
        text = {"error": {"code": code, "message": str(error)}}
        for run_id in list(book.open):
            self._cancel(run_id)
        self._parts.status.finish(book.run.id, text, self._put_over(book.run.id))
        self._forget(book)

    def _close(self, book: Book) -> None:
        """It is over; a sweep that was canceled, too, whose trials the cancel has reached."""
        self._parts.store.write(self._put_over(book.run.id))
        self._forget(book)

    def _put_over(self, run_id: str) -> Callable[[Transaction], None]:
        """What marks a sweep as over, whatever was changed of it last."""

        def work(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            tx.sweeps.put(replace(tx.sweeps.get([run_id])[run_id], over=True))

        return work

    def _forget(self, book: Book) -> None:
        self._flush(book)
        self._books.pop(book.run.id, None)

    def _say(self, book: Book, text: str) -> None:
        moment = datetime.fromtimestamp(self._parts.clock(), UTC).isoformat(timespec="milliseconds")
        book.lines.append(f"[{moment}][SWEEP][INFO] {text}\n")

    def _flush(self, book: Book) -> None:
        """Write the lines to the sweep's log. A crash may take the last ones with it."""
        if not book.lines:
            return
        book.flushed = time.monotonic()
        data, book.lines = "".join(book.lines).encode(), []
        held = self._parts.store.read(lambda tx: tx.metrics.offsets([(book.run.id, 1, LOG)]))
        offset = held[(book.run.id, 1, LOG)]
        self._parts.tracking.take([Chunk(book.run.id, 1, LOG, offset, data)], SERVICE_GRANT)


def _words(best: Sequence[Trial]) -> str:
    return (
        f"the best is {best[0].best} of {best[0].run.id}" if best else "none has logged the metric"
    )
