"""MLflow's client against this service and against MLflow's own server on SQLite, in one run.

The client itself costs time: it makes and reads messages in Python. Its floor is what it takes
against a server that answers at once with nothing; where a goal lies below that floor, no service
can reach it, and the service's own share is told beside it.
"""

import http.client
import http.server
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import REPEAT, bench, say
from tests.rigs.waiting import until

POINTS, HISTORY, CALLS = 1000, 100_000, 40


class Side:
    """One server, by the client and by bare HTTP."""

    def __init__(self, url: str) -> None:
        import mlflow

        self.client = mlflow.MlflowClient(url)
        self._wire = http.client.HTTPConnection(url.partition("//")[2], timeout=120)
        self._headers = {
            "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
            "Content-Type": "application/json",
        }
        self._used = 0.0
        self.run = self.client.create_run("0").info.run_id

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        text = None if body is None else json.dumps(body)
        if time.monotonic() > self._used + 2:  # servers hang up on who says nothing for a while
            self._wire.close()
        self._wire.request(method, f"/api/2.0/mlflow/{path}", body=text, headers=self._headers)
        answer = self._wire.getresponse()
        content = answer.read()
        self._used = time.monotonic()
        assert answer.status == 200, content[:300]
        return content

    def fill(self) -> None:
        """A history of a hundred thousand points."""
        for start in range(0, HISTORY, POINTS):
            self.call("POST", "runs/log-batch", _batch(self.run, "history", start))


def main() -> None:
    os.environ["MLFLOW_TRACKING_TOKEN"] = "none"
    with _floor() as url:
        floor = _measure(Side(url), "floor")
    with _theirs() as url:
        side = Side(url)
        side.fill()
        theirs = _measure(side, "MLflow")
    with bench() as made:
        os.environ["MLFLOW_TRACKING_TOKEN"] = made.workspace.service.address.token
        side = Side(made.workspace.get_mlflow_tracking_uri())
        side.fill()
        ours = _measure(side, "dispatcher")
    goals = {"create_run": 20, "log_metric": 20, "log_batch": 15, "history": 10}
    for what, goal in goals.items():
        by_client, by_wire = f"{what} by the client", f"{what} on the wire"
        ratio = theirs[by_client] / ours[by_client]
        most = theirs[by_client] / floor[by_client]
        say(f"{by_client}: times as fast", f"{ratio:.1f}", f">= {goal}; no server: {most:.1f}")
        say(f"{by_wire}: times as fast", f"{theirs[by_wire] / ours[by_wire]:.1f}")
    say("log_batch by the client", f"{POINTS / ours['log_batch by the client']:,.0f} points/s")


def _measure(side: Side, who: str) -> dict[str, float]:
    from mlflow.entities import Metric

    points = [Metric("m", k + 0.5, 1_700_000_000_000 + k, k) for k in range(POINTS)]
    at = iter(range(0, 1 << 40, POINTS))

    def by_client() -> None:
        first = next(at)
        for k, point in enumerate(points):
            point._step = first + k
        side.client.log_batch(side.run, metrics=points)

    one = {"run_id": side.run, "key": "one", "value": 1.5, "timestamp": 1, "step": 1}
    found = {
        "create_run by the client": _median(lambda: side.client.create_run("0"), CALLS),
        "create_run on the wire": _median(
            lambda: side.call("POST", "runs/create", {"experiment_id": "0", "start_time": 1}), CALLS
        ),
        "log_metric by the client": _median(
            lambda: side.client.log_metric(side.run, "one", 1.5), CALLS
        ),
        "log_metric on the wire": _median(
            lambda: side.call("POST", "runs/log-metric", one | {"step": next(at)}), CALLS
        ),
        "log_batch by the client": _median(by_client, CALLS // 4),
        "log_batch on the wire": _median(
            lambda: side.call("POST", "runs/log-batch", _batch(side.run, "wire", next(at))),
            CALLS // 4,
        ),
        "history by the client": _median(
            lambda: side.client.get_metric_history(side.run, "history"), REPEAT
        ),
        "history on the wire": _median(
            lambda: side.call("GET", f"metrics/get-history?run_id={side.run}&metric_key=history"),
            REPEAT,
        ),
    }
    for what, seconds in found.items():
        say(f"{who}: {what}", f"{seconds * 1000:,.2f} ms")
    return found


def _median(work: Callable[[], Any], times: int) -> float:
    work()
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def _batch(run_id: str, key: str, first: int) -> dict[str, Any]:
    points = [
        {"key": key, "value": k + 0.5, "timestamp": 1_700_000_000_000 + k, "step": k}
        for k in range(first, first + POINTS)
    ]
    return {"run_id": run_id, "metrics": points}


@contextmanager
def _theirs() -> Iterator[str]:
    """MLflow's own server, on SQLite, as it starts by itself."""
    root = Path(tempfile.mkdtemp(prefix="mlflow-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{root}/mlflow.db"]
    command += ["--artifacts-destination", str(root / "files")]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: _answers(port), "MLflow's server answers", 120)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
        shutil.rmtree(root, ignore_errors=True)


def _answers(port: int) -> bool:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        wire.request("GET", "/health")
        return wire.getresponse().status == 200
    except OSError:
        return False
    finally:
        wire.close()


@contextmanager
def _floor() -> Iterator[str]:
    """A server that knows nothing and answers at once: what is left is the client's own time."""
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=_answer_at_once, args=(ports,), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=30)}"
    finally:
        server.kill()
        server.join()


def _answer_at_once(ports: "multiprocessing.Queue[int]") -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Nothing)
    ports.put(server.server_address[1])
    server.serve_forever()


class _Nothing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    history = json.dumps({"metrics": _batch("", "history", 0)["metrics"] * (HISTORY // POINTS)})
    run = json.dumps({"run": {"info": {"run_id": "r", "status": "RUNNING", "start_time": 1}}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self.run if self.path.endswith("runs/create") else "{}")

    def do_GET(self) -> None:
        self._answer(self.history if "get-history" in self.path else "{}")

    def _answer(self, text: str) -> None:
        body = text.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
        self.wfile.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)

    def log_message(self, format: str, *args: Any) -> None:
        return


if __name__ == "__main__":
    main()
