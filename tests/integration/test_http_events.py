"""The event log over HTTP: pages, and a stream that misses and doubles nothing."""

import http.client
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi.testclient import TestClient

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.core.runs.spec import RunSpec
from dispatcher.server.app import create_app
from dispatcher.server.wiring import Application
from tests.integration.http_service import MIB, OWNER, spec, submit


class Reader:
    """A client of the stream, which may read only so many events before it hangs up."""

    def __init__(self, port: int, after: int | None, most: int = 1 << 30) -> None:
        self.ids: list[int] = []
        self.most = most
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer {OWNER}"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        self._connection.request("GET", "/api/v1/events/stream", headers=headers)
        self._answer = self._connection.getresponse()
        assert self._answer.getheader("Content-Type", "").startswith("text/event-stream")

    def read_until(self, last: int) -> list[int]:
        while not self.ids or self.ids[-1] < last:
            line = self._answer.readline()
            assert line, "the stream ended"
            if line.startswith(b"id: "):
                self.ids.append(int(line[4:]))
                if len(self.ids) >= self.most:
                    break
        self._connection.close()
        return self.ids


@pytest.fixture
def port(application: Application) -> Iterator[int]:
    app = create_app(application.services, max_body=4 * MIB)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def submitted(application: Application, *names: str) -> None:
    specs = [RunSpec(id=name, experiment="e", interactive=True) for name in names]
    application.services.submission.submit(specs, SERVICE_GRANT)


def last_event(application: Application) -> int:
    return application.store.read(lambda tx: tx.events.last())


def test_the_log_is_read_page_by_page(api: TestClient) -> None:
    before = api.get("/events", params={"limit": 1000}).json()["next"]
    submit(api, spec("logged-a"), spec("logged-b"))
    api.patch("/runs/logged-a", json={"tags": {"k": "v"}})
    page = api.get("/events", params={"after": before, "limit": 2}).json()
    rest = api.get("/events", params={"after": page["next"]}).json()
    events = page["events"] + rest["events"]
    mine = [(e["kind"], e["subject"]) for e in events if str(e["run_id"]).startswith("logged")]
    assert mine == [
        ("run.Submitted", "logged-a"),
        ("run.Submitted", "logged-b"),
        ("labels.TagsSet", "logged-a"),
    ]
    assert [e["id"] for e in events] == list(range(before + 1, before + 1 + len(events)))


def test_every_reader_gets_every_event_once_in_order_from_wherever_it_begins(
    application: Application, port: int
) -> None:
    start = last_event(application)
    submitted(application, *[f"early-{k}" for k in range(50)])
    positions = [0, start, start + 20, last_event(application)]
    readers = [Reader(port, after) for after in positions for _ in range(3)]
    for k in range(100):
        submitted(application, f"late-{k}")
    end = last_event(application)
    for reader, after in zip(readers, [p for p in positions for _ in range(3)], strict=True):
        assert reader.read_until(end) == list(range(after + 1, end + 1))


def test_a_reader_that_connects_again_goes_on_after_the_last_event_that_it_has(
    application: Application, port: int
) -> None:
    start = last_event(application)
    submitted(application, *[f"before-{k}" for k in range(30)])
    first = Reader(port, start, most=7).read_until(last_event(application))
    submitted(application, *[f"between-{k}" for k in range(30)])
    end = last_event(application)
    second = Reader(port, first[-1]).read_until(end)
    assert first + second == list(range(start + 1, end + 1))


def test_a_reader_without_a_position_is_told_of_what_comes(
    application: Application, port: int
) -> None:
    end = last_event(application)
    reader = Reader(port, None)
    ids: list[int] = []
    thread = threading.Thread(target=lambda: ids.extend(reader.read_until(end + 1)))
    thread.start()
    deadline = time.monotonic() + 20
    while thread.is_alive():
        assert time.monotonic() < deadline
        submitted(application, f"now-{time.monotonic_ns()}")
        thread.join(0.1)
    assert ids[0] > end
