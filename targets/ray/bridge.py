"""The bridge: a Ray driver of its own process, between the service and one cluster.

A driver dies with its cluster, can connect to one cluster only, and needs the cluster's Python and
Ray. So the service never imports Ray. Service and bridge use JSON-line RPC over a socket: the first
line names the cluster, then come requests. The bridge sends `{"event": [observations]}` when jobs
change; an empty list means that anything may have changed. When the service ends the bridge ends;
launchers and jobs continue.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import inspect
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray

from dispatcher.wire.rpc import RpcSession
from targets.ray import launcher, node_setup, placement_groups
from targets.ray.cluster import Cluster
from targets.ray.cluster_operations import ClusterOperations, Names, Record
from targets.ray.node_description import LeaseTerms
from targets.ray.placement_groups import PlacementGroups
from targets.ray.remote_node import LauncherSettings, NodeUnavailable

log = logging.getLogger(__name__)
CONNECT_SECONDS = 30.0
WAIT_SECONDS = 7.0
REACH_SECONDS = 2.0
_SENT = (
    node_setup,
    launcher,
    placement_groups,
)  # sent by value, because nothing of ours is installed on the nodes


class Bridge:
    """Serves one connection to the service.

    Args:
        connection: The connection to the service.
        greeting: The first message of the service.
    """

    def __init__(self, connection: socket.socket, greeting: Mapping[str, Any]) -> None:
        self._greeting = greeting
        self._cluster: Cluster | None = None
        self._operations: ClusterOperations | None = None
        self._placement_groups: PlacementGroups | None = None
        self._connected = threading.Event()
        self._trouble = ""
        pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="request")
        self._rpc = RpcSession(connection, self._perform, (NodeUnavailable,), pool.submit)

    def serve(self, lines: Any) -> None:
        """Answer until the service has ended."""
        threading.Thread(target=self._live, name="cluster", daemon=True).start()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        self._rpc.serve(lines)

    def _live(self) -> None:
        """Connect, and watch the cluster. Ends the process at last: a driver cannot reconnect."""
        try:
            self._connect()
            assert self._cluster is not None
            self._cluster.refresh()
            self._connected.set()
            self._send_events([])
            self._cluster.follow()
        except BaseException as error:
            self._leave(error)

    def _beat(self) -> None:
        """Send a heartbeat every second, so that a hang of this process is noticed."""
        while True:
            time.sleep(1)
            with contextlib.suppress(OSError):
                self._rpc.send({"beat": True})

    def _connect(self) -> None:
        address = self._greeting["address"]
        while not _listens(address):
            self._trouble = f"nothing listens at {address}"
            time.sleep(1)
        self._trouble = ""
        threading.Thread(target=self._expect, name="expect", daemon=True).start()
        for module in _SENT:
            ray.cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
        ray.init(
            address=address,
            namespace=self._greeting["namespace"],
            log_to_driver=False,
            logging_level=logging.WARNING,
            **_place(self._greeting),
        )
        setting = _setting(self._greeting)
        self._cluster = Cluster(setting, self._send_events)
        if not setting.exclusive:
            self._placement_groups = PlacementGroups(setting.namespace, self._observe)
        self._operations = ClusterOperations(self._cluster, self._placement_groups)

    def _expect(self) -> None:
        """End the process if the cluster does not answer: with a wrong token Ray waits for ever."""
        if not self._connected.wait(CONNECT_SECONDS):
            faulthandler.dump_traceback()  # into the log
            self._leave(
                TimeoutError("the cluster did not accept the connection; is its `token` right?")
            )

    def _leave(self, error: BaseException) -> None:
        log.error("the bridge ends: %s", error, exc_info=error)
        with contextlib.suppress(OSError):
            self._rpc.send({"fatal": f"{type(error).__name__}: {error}"})
        os._exit(1)

    def _perform(self, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not self._connected.wait(0.5 if self._trouble else WAIT_SECONDS):
            raise NodeUnavailable(
                self._trouble or "the cluster has not accepted the connection yet"
            )
        assert self._cluster is not None
        assert self._operations is not None
        if not self._cluster.answers:
            raise NodeUnavailable(
                f"the cluster's head at {self._greeting['address']} does not answer"
            )
        arguments = {name: value for name, value in request.items() if name not in ("id", "op")}
        answer: Mapping[str, Any] | None = getattr(self._operations, request["op"])(**arguments)
        return answer

    def _observe(self, names: Names) -> Mapping[str, Record]:
        if self._operations is None or not self._connected.is_set():
            return {name: {"state": "unknown"} for name in names}
        observations: Mapping[str, Record] = self._operations.observe(names)["observations"]
        return observations

    def _send_events(self, observations: Sequence[Mapping[str, Any]]) -> None:
        if self._placement_groups is not None:
            self._placement_groups.wake()
        with contextlib.suppress(OSError):
            self._rpc.send({"event": list(observations)})


def main() -> None:
    """Serve on the socket whose descriptor is the first argument."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    connection = socket.socket(fileno=int(sys.argv[1]))
    with connection.makefile("rb") as lines:
        Bridge(connection, json.loads(lines.readline())).serve(lines)
    os._exit(0)  # without Ray's shutdown, which waits for a cluster that may not answer


def _setting(greeting: Mapping[str, Any]) -> LauncherSettings:
    with open(greeting["code"], "rb") as file:
        code = file.read()
    source, exclusive = "".join(map(inspect.getsource, _SENT)), greeting["exclusive"]
    return LauncherSettings(
        namespace=greeting["namespace"],
        owner=greeting["owner"],
        service=greeting["service"],
        caches=greeting.get("caches") or {},
        terms=LeaseTerms(greeting["lease"]),
        exclusive=exclusive,
        code=code,
        idle=greeting["idle"],
        version=hashlib.sha256(code + f"{source}{exclusive}".encode()).hexdigest()[:16],
    )


def _place(greeting: Mapping[str, Any]) -> dict[str, Any]:
    address = greeting["node_ip_address"]
    return {"_node_ip_address": address} if address else {}


def _listens(address: str) -> bool:
    """Whether the address accepts connections; Ray itself would try for a minute."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS),
    ):
        return True
    return False
