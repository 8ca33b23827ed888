"""The launcher: a detached actor, one for each Ray node, that runs the node agent.

It is sent to the cluster by value with the agent's code as a zip, so nothing of ours needs to be
installed there. It imports the standard library and Ray alone. Its state is that of its agent, on
the node's disk: after a restart by Ray it finds the jobs of its predecessor.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

import ray

from targets.ray.node_setup import (
    alive_nodes,
    clock,
    delete_old_folders,
    earlier_jobs_end_at,
    free_ports,
    node_folder,
    start_agent,
    stored_lease_terms,
)

log = logging.getLogger(__name__)
_GATHER = 0.01


class NodeLauncher:
    """Starts jobs on its node, and reports their states to the bridge.

    `setting` has `owner`, `node_id`, `version`, and `idle`: the seconds without jobs and without a
    bridge after which it ends itself. `code` is the zip in pieces that are small enough to be
    stored with the actor's description. A larger argument would be in the bridge's memory and lost
    with the bridge, and Ray could not restart the actor.
    """

    def __init__(self, setting: Mapping[str, Any], *code: bytes) -> None:
        self._setting = setting
        self._life = uuid.uuid4().hex
        self._is_configured = False
        self._renewed = self._heard_at = self._busy_at = clock()
        self._port_lock = threading.Lock()
        self._root = node_folder(setting["owner"], setting["node_id"])
        self._lease = stored_lease_terms(self._root)
        self._ready_at = earlier_jobs_end_at(self._root, setting["owner"])
        delete_old_folders(self._root, setting["owner"])
        self._feed = LauncherFeed()
        self._agent = start_agent(self._root, b"".join(code))
        self._agent.subscribe(self._feed.add)
        threading.Thread(target=self._keep, name="keep", daemon=True).start()

    def configure(
        self,
        service: Mapping[str, Any],
        lease: Mapping[str, float],
        caches: Mapping[str, int | None],
    ) -> None:
        """Set how the service is reached, the lease terms (`node_description.LeaseTerms`), and how
        many bytes the caches keep.
        """
        path = service.get("socket")
        here = (
            path if path and os.path.exists(path) else None
        )  # otherwise the service is on another machine
        address = {**service, "socket": here}
        self._agent.configure(service=address, lease=lease["inner"], caches=caches)
        with open(f"{self._root}/terms.new", "w") as file:
            json.dump(dict(lease), file)
        os.rename(f"{self._root}/terms.new", f"{self._root}/terms")
        self._lease = lease
        self._renewed = self._heard_at = clock()
        self._is_configured = True

    def beat(self, life: str, confirmed: float, cursor: int, wait: float) -> dict[str, Any]:
        """Renew the lease, and wait for events after the cursor.

        `confirmed` is the launcher's clock in the last answer that the bridge received.
        """
        if life == self._life:
            self._heard_at = clock()
            self._renew(confirmed)
        position = cursor if life == self._life else -1
        events, cursor = self._feed.after(position, wait)
        return {
            "life": self._life,
            "clock": clock(),
            "cursor": cursor,
            "events": events,
            "configured": self._is_configured,
            "version": self._setting["version"],
            "gpus": visible_gpus(),
            "ready": clock() >= self._ready_at,
        }

    def submit(self, jobs: str) -> bool:
        """Start jobs (a JSON list); False: not now, because the node may count as lost."""
        if self._lease is None or clock() - self._renewed >= self._lease["inner"]:
            return False
        if not self._is_configured or clock() < self._ready_at:
            return False
        self._agent.submit(json.loads(jobs))
        return True

    def observe(self, names: list[str] | None) -> dict[str, Any]:
        records: dict[str, Any] = self._agent.observe(names)
        return records

    def stop(self, names: list[str], grace: float) -> None:
        self._agent.stop(names, grace)

    def remove(self, names: list[str]) -> None:
        self._agent.remove(names)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._root}/ports/{name}")

    def port(self, job: str, count: int) -> int:
        """The first of `count` free ports in a row; a repeated call gives the same answer."""
        path = f"{self._root}/ports/{job}"
        with self._port_lock:
            with contextlib.suppress(FileNotFoundError, ValueError), open(path) as kept:
                return int(kept.read())
            os.makedirs(os.path.dirname(path), exist_ok=True)
            port = free_ports(count)
            with open(f"{path}.new", "w") as file:
                file.write(str(port))
            os.rename(f"{path}.new", path)
            return port

    def _renew(self, since: float) -> None:
        """Renew the lease as of the time of the bridge's request, unless that is too long ago."""
        if self._lease is not None and clock() - since < self._lease["slack"]:
            self._agent.renew()
            self._renewed = since

    def _keep(self) -> None:
        while True:
            time.sleep(1)
            try:
                self._look()
            except Exception:
                log.exception("a check of the launcher failed")

    def _look(self) -> None:
        silent = clock() - self._heard_at
        if self._lease is None or silent < self._lease["patience"]:
            return
        requested_at = clock()
        if self._setting["node_id"] in alive_nodes():
            self._renew(requested_at)
        jobs = self._agent.observe().values()
        if any(record["state"] in ("alive", "created") for record in jobs):
            self._busy_at = clock()
        elif min(silent, clock() - self._busy_at) > self._setting["idle"]:
            me = ray.get_runtime_context().current_actor
            ray.kill(me, no_restart=True)  # it is not needed any more: free the node's GPUs


class LauncherFeed:
    """The events of the agent, numbered; a reader waits for events after a number."""

    def __init__(self) -> None:
        self._events: list[Mapping[str, Any]] = []
        self._first = 0
        self._told_at = 0.0
        self._changed = threading.Condition()

    def add(self, event: Mapping[str, Any]) -> None:
        with self._changed:
            self._events.append(event)
            if len(self._events) > 20_000:
                self._first += 10_000
                del self._events[:10_000]
            self._changed.notify_all()

    def after(self, cursor: int, wait: float) -> tuple[list[Mapping[str, Any]], int]:
        """The events after a cursor and the next cursor, after `wait` seconds at most.

        For an unknown or too old cursor there are no events; the reader has to observe all jobs.
        """
        with self._changed:
            last = self._first + len(self._events)
            if not self._first <= cursor <= last:
                return [], last
            if cursor == last:
                self._changed.wait_for(lambda: self._first + len(self._events) > cursor, wait)
        time.sleep(max(0.0, min(_GATHER, self._told_at + _GATHER - time.monotonic())))
        with self._changed:
            self._told_at = time.monotonic()
            news = self._events[max(0, cursor - self._first) :]
            return news, self._first + len(self._events)


def visible_gpus() -> list[str]:
    """The devices that Ray has given to this actor, by CUDA's names."""
    gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    return [str(gpu) for gpu in gpus]
