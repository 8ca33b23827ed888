"""JSON-line RPC: every request has one answer, and no call holds up another one."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any

import pytest

from dispatcher.wire.rpc import RpcSession
from dispatcher.wire.rpc_client import RpcClient, RpcFailed, RpcTimeout

SECONDS = 10.0
Serve = Callable[..., RpcSession]


class Pair:
    """A client whose peer carries out `operations`."""

    def __init__(self, operations: Mapping[str, Callable[[], Any]], **options: Any) -> None:
        ours, theirs = socket.socketpair()
        self.messages: Queue[Mapping[str, Any]] = Queue()
        self.lost = threading.Event()
        self._theirs = theirs
        self.session = RpcSession(
            theirs, lambda request: operations[request["op"]](), (KeyError,), **options
        )
        threading.Thread(target=self._serve, daemon=True).start()
        self.client = RpcClient(ours, "the peer", self.messages.put, lambda _: self.lost.set())
        self.client.start()

    def call(self, op: str, seconds: float = SECONDS) -> Mapping[str, Any]:
        return self.client.call(op, seconds, {})

    def _serve(self) -> None:
        with self._theirs, self._theirs.makefile("rb") as lines:
            self.session.serve(lines)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_call_has_the_fields_of_its_answer() -> None:
    pair = Pair({"add": lambda: {"sum": 3}})
    assert pair.call("add")["sum"] == 3


def test_what_an_operation_raises_is_the_error_of_the_call() -> None:
    pair = Pair({"fail": lambda: int("x")})
    with pytest.raises(RpcFailed, match="ValueError: invalid literal"):
        pair.call("fail")
    with pytest.raises(RpcFailed, match="unknown"):
        pair.call("unknown")


def test_a_call_that_waits_does_not_hold_up_another_one(gate: threading.Event) -> None:
    with ThreadPoolExecutor() as pool:
        pair = Pair({"wait": gate.wait, "now": dict}, execute=pool.submit)
        waiting = pool.submit(pair.call, "wait")
        assert pair.call("now")["ok"]
        assert not waiting.done()
        gate.set()
        with pytest.raises(RpcFailed, match="TypeError"):  # what `wait` returns is not a mapping
            waiting.result(SECONDS)


def test_a_call_without_an_answer_times_out_and_its_late_answer_harms_nobody(
    gate: threading.Event,
) -> None:
    with ThreadPoolExecutor() as pool:
        pair = Pair({"wait": lambda: gate.wait() and {}, "now": dict}, execute=pool.submit)
        with pytest.raises(RpcTimeout, match="did not answer wait in"):
            pair.call("wait", seconds=0.01)
        gate.set()
        assert pair.call("now")["ok"]


def test_messages_that_are_no_answers_go_to_the_listener() -> None:
    pair = Pair({})
    pair.session.send({"event": 1}, {"event": 2})
    assert [pair.messages.get(timeout=SECONDS) for _ in range(2)] == [{"event": 1}, {"event": 2}]


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b"null\n", b'"text"\n'])
def test_a_line_that_is_no_request_is_answered(line: bytes) -> None:
    pair = Pair({"now": dict})
    assert pair.session.answer(line)["ok"] is False
    assert pair.call("now")["ok"]


def test_calls_fail_once_the_connection_is_lost(gate: threading.Event) -> None:
    with ThreadPoolExecutor() as pool:
        pair = Pair({"wait": lambda: gate.wait() and {}, "now": dict}, execute=pool.submit)
        waiting = pool.submit(pair.call, "wait")
        pair.call("now")
        pair.client.close()
        with pytest.raises(RpcFailed, match="the peer is gone"):
            waiting.result(SECONDS)
        assert pair.lost.wait(SECONDS)
        assert pair.client.is_lost
        with pytest.raises(RpcFailed, match="the peer is gone"):
            pair.call("now")
        gate.set()
