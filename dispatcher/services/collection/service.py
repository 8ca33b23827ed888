"""Garbage collection: by the rules, and for what nothing refers to.

A collection may be killed at any line: the next one goes on. Several may run at once, also of
several services on one database.
"""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.core.retention import RetentionRules, parse_rules
from dispatcher.services.collection.collected import Collected
from dispatcher.services.collection.contents import ContentCollector
from dispatcher.services.collection.logs import LogCollector
from dispatcher.services.collection.runs import RunCollector
from dispatcher.services.deletion import DeletionService
from dispatcher.store.content.uploads import Uploads
from dispatcher.store.contract import Store

RULES = "retention"  # under this name the rules are stored


def stored_rules(store: Store) -> RetentionRules:
    """The rules of an installation."""
    text = store.read(lambda tx: tx.registry.find_meta(RULES))
    return parse_rules(json.loads(text) if text else {})


class CollectionService:
    """Collects garbage, and keeps the rules for it.

    Args:
        store: Where rules and references are kept.
        deletion: Removes what is left of deleted runs.
        runs: Deletes runs by the rules.
        contents: Deletes contents.
        logs: Deletes logs.
        uploads: Unfinished uploads.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        deletion: DeletionService,
        runs: RunCollector,
        contents: ContentCollector,
        logs: LogCollector,
        uploads: Uploads,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._deletion, self._clock = store, deletion, clock
        self._runs, self._contents, self._logs, self._uploads = runs, contents, logs, uploads
        self._lock = threading.Lock()

    def rules(self) -> RetentionRules:
        """The rules."""
        return stored_rules(self._store)

    def change_rules(self, changes: Mapping[str, Any]) -> RetentionRules:
        """Change some of the rules. Raises InvalidSpec."""
        rules = parse_rules(dict(changes), self.rules())
        text = rules.model_dump_json(exclude_defaults=True)
        self._store.write(lambda tx: tx.registry.put_meta(RULES, text))
        return rules

    def recover(self) -> None:
        """Put back what a killed collection has set aside."""
        self._contents.recover()
        self._logs.recover()

    def collect(self, rules: RetentionRules, *, dry_run: bool = False) -> dict[str, Collected]:
        """Delete by these rules; answers what was deleted of each kind, or would be."""
        with self._lock:
            found = {"experiments": self._runs.collect_experiments(rules, dry_run=dry_run)}
            found["runs"] = self._runs.collect(rules, dry_run=dry_run)
            found["logs_of_ended_runs"] = self._runs.collect_logs(rules, dry_run=dry_run)
            if not dry_run:
                self._deletion.purge()
            found |= {
                "logs": self._logs.collect(rules.contents_grace, dry_run=dry_run),
                "uploads": self._collect_uploads(rules, dry_run),
                "contents": self._contents.collect(rules.contents_grace, dry_run=dry_run),
            }
            if not dry_run:
                found |= self._prune_rows(rules)
            return found

    def _collect_uploads(self, rules: RetentionRules, dry_run: bool) -> Collected:
        before = self._clock() - rules.uploads_age
        if dry_run:
            sizes = [size for _, size in self._uploads.unfinished(before)]
        else:
            sizes = self._uploads.prune(before)
        return Collected(len(sizes), sum(sizes))

    def _prune_rows(self, rules: RetentionRules) -> dict[str, Collected]:
        now = self._clock()
        keys = self._store.write(lambda tx: tx.idempotency.prune(now - rules.idempotency_age))
        forgotten = self._store.write(lambda tx: tx.deletions.forget(now - rules.deletions_age))
        return {"idempotency_keys": Collected(keys), "deletion_records": Collected(forgotten)}
