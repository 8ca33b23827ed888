"""A target's connection to a node agent: lost at any moment, it says so to whoever asks."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from targets.agent_connection import AgentConnection
from targets.base import TargetUnavailable
from tests.rigs.waiting import until

Hook = Callable[[], None]


class Watched(socket.socket):
    """One end of a pair. `before` is called when something is sent."""

    before: Hook | None = None

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        if self.before is not None:
            self.before()
        super().sendall(data, flags)


class Paired(AgentConnection):
    """Dials an agent that is a thread of the test's."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), lambda: None, {})
        self.dialled: list[Watched] = []
        self._holds = threading.Event()

    def _dial(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.dialled.append(Watched(fileno=ours.detach()))
        threading.Thread(target=self._answer, args=(theirs,), daemon=True).start()
        return self.dialled[-1]

    def holds_a_call(self) -> bool:
        return self._holds.is_set()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as lines:
            for line in lines:
                request = json.loads(line)
                if request["op"] == "keep waiting":
                    self._holds.set()
                    continue
                lines.write(json.dumps({"id": request["id"], "ok": True}).encode() + b"\n")
                lines.flush()


@pytest.fixture
def agent() -> Iterator[Paired]:
    one = Paired()
    one.ask("hello")
    yield one
    one.close()


def test_a_connection_that_is_lost_while_a_call_is_sent_is_unavailable_and_made_anew(
    agent: Paired,
) -> None:
    [connection] = agent.dialled

    def lose() -> None:
        connection.shutdown(socket.SHUT_RDWR)
        until(lambda: not agent.is_connected, "who listens has noticed")
        until(lambda: connection.fileno() == -1, "and has closed it")

    connection.before = lose
    with pytest.raises(TargetUnavailable, match="the node agent is gone"):
        agent.ask("hello")
    assert not agent.is_connected
    assert agent.ask("hello")["ok"]
    assert len(agent.dialled) == 2


def test_a_call_that_waits_fails_when_the_connection_is_lost(agent: Paired) -> None:
    [connection] = agent.dialled
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(agent.ask, "keep waiting")
        until(agent.holds_a_call, "the agent has the call")
        connection.shutdown(socket.SHUT_RDWR)
        with pytest.raises(TargetUnavailable, match="gone"):
            waiting.result(5)
    assert agent.ask("hello")["ok"]


def test_a_call_is_answered_while_another_one_waits(agent: Paired) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(agent.ask, "keep waiting")
        until(agent.holds_a_call, "the agent has the call")
        assert agent.ask("hello")["ok"]
        assert not waiting.done()
        agent.dialled[0].shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_nothing_is_sent_to_a_socket_in_a_folder_that_others_may_enter(
    tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir()
    folder.chmod(mode)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()
        agent = AgentConnection(folder / "s", lambda: None, {}, owner=os.geteuid())
        with pytest.raises(TargetUnavailable, match="other users may enter it"):
            agent.ask("hello")
        connection, _ = listener.accept()
        assert connection.recv(1) == b""
        connection.close()


def test_it_may_be_closed_after_it_was_lost(agent: Paired) -> None:
    agent.dialled[0].close()
    agent.close()
