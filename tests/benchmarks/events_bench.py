"""Waking those who wait, and the event stream with many readers.

The floor of a fan-out with readers is the same fan-out without any, measured in turn.
"""

import http.client
import json
import statistics
import subprocess
import sys
import time
from typing import Any

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.runs.waiting import wait_all
from tests.benchmarks.measuring import REPEAT, Bench, bench, say

WAITERS, READERS, RUNS = 1_000, 200, 300

READING = """
import socket, sys
port, token, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
request = ("GET /api/v1/events/stream HTTP/1.1\\r\\nHost: x\\r\\n"
           f"Authorization: Bearer {token}\\r\\n\\r\\n").encode()
import selectors
chosen = selectors.DefaultSelector()
for _ in range(count):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(request)
    connection.setblocking(False)
    chosen.register(connection, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        key.fileobj.recv(1 << 20)
"""


def facts(made: Bench) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (made.root / "ws" / ".dispatcher" / "service.json").read_text()
    )
    return found


def waiters(made: Bench) -> None:
    """A run ends, and a thousand clients wait for it: until the last of them has its answer."""
    service = facts(made)
    port = int(service["url"].rpartition(":")[2])
    headers = {"Authorization": f"Bearer {service['token']}", "Content-Type": "application/json"}
    took = []
    for round_ in range(REPEAT):
        run_id = f"waited-{round_}"
        spec = {"id": run_id, "experiment": "bench", "interactive": True}
        made.workspace.service.post("/runs", {"runs": [spec]})
        body = json.dumps({"ids": [run_id], "wait": 50})
        connections = []
        for _ in range(WAITERS):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/api/v1/runs/wait", body, headers)
            connections.append(connection)
        time.sleep(1.0)
        made.workspace.service.post(f"/runs/{run_id}/events", {"type": "complete"})
        acknowledged = time.perf_counter()
        for connection in connections:
            answer = connection.getresponse()
            assert answer.status == 200
            answer.read()
        took.append(time.perf_counter() - acknowledged)
        for connection in connections:
            connection.close()
    say(
        f"{WAITERS} waiters woken, the last answer after the acknowledgement",
        f"{statistics.median(took) * 1e3:.0f} ms",
        "goal ≤ 100 ms",
    )


def fan_out(made: Bench) -> float:
    source = made.folder("trivial", "")
    config = RunConfiguration()
    config.target = "bench"
    configs = [ScriptRunConfig(source, script="run.py", run_config=config) for _ in range(RUNS)]
    began = time.perf_counter()
    wait_all(made.experiment.submit_all(configs))
    return time.perf_counter() - began


def readers(made: Bench) -> None:
    service = facts(made)
    port = service["url"].rpartition(":")[2]
    fan_out(made)
    ratios = []
    for _ in range(REPEAT):
        before = fan_out(made)
        command = [sys.executable, "-c", READING, port, service["token"], str(READERS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reading:
            assert reading.stdout is not None
            assert reading.stdout.readline().strip() == "ready"
            with_readers = fan_out(made)
            reading.kill()
        after = fan_out(made)
        ratios.append(with_readers / ((before + after) / 2))
    say(
        f"fan-out of {RUNS} with {READERS} readers of the event stream",
        f"{statistics.median(ratios):.2f} x without",
        "goal ≤ 1.10 x",
    )


def main() -> None:
    with bench() as made:
        waiters(made)
        readers(made)
