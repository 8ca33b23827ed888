"""The connection: retried without doing anything twice, bounded, and clear when it fails."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.errors import (
    AuthenticationException,
    AzureMLException,
    ServerUnreachable,
    ServiceException,
    UserErrorException,
)
from dispatcher.wire import encoding
from dispatcher.wire.address import Address
from tests.unit.fake_server import serving
from tests.unit.fake_service import TOKEN, FakeService

SPEC = {"id": "r", "experiment": "e", "interactive": True}


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


def transport_to(fake: FakeService, seconds: float = 5.0) -> ApiConnection:
    return ApiConnection(Address(fake.url, token=TOKEN), retry_seconds=seconds)


@pytest.mark.parametrize("failure", ["hang up", 503, 502, 429])
def test_a_call_is_retried(fake: FakeService, failure: int | str) -> None:
    fake.failures = [failure, failure]

    assert transport_to(fake).get("/experiments") == {"experiments": []}
    assert len(fake.calls) == 3


def test_a_lost_answer_does_nothing_twice(fake: FakeService) -> None:
    fake.failures = ["do it and hang up"]
    made = transport_to(fake).post("/runs", {"runs": [SPEC], "brief": True})

    assert fake.count("POST", "/runs") == 2
    assert [run["version"] for run in made["runs"]] == [1]
    assert fake.runs["r"]["number"] == 1


def test_a_connection_that_the_script_closed_is_made_anew_and_its_number_left_alone(
    fake: FakeService, tmp_path: Path
) -> None:
    transport = transport_to(fake)
    transport.get("/experiments")
    connection = transport._connection()
    assert connection is not None
    assert connection.sock is not None
    own = connection.sock.fileno()
    file = os.open(tmp_path / "own", os.O_RDWR | os.O_CREAT)
    os.dup2(file, own)  # closes the connection's socket, and takes its number
    os.close(file)

    assert transport.get("/experiments") == {"experiments": []}
    del connection
    assert os.fstat(own).st_size == 0  # it is open, and nothing was sent into it
    os.close(own)


def test_a_wait_that_is_cut_off_again_and_again_goes_on() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for reply in (b"", b"", b"", answer):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    time.sleep(0.25)  # somebody waits here for a run, and the service is killed
                    connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        patience = 0.4  # less than the whole takes, more than the service is ever away

        client = ApiConnection(Address(f"http://127.0.0.1:{port}"), retry_seconds=patience)
        assert client.get("/runs/r") == {}


def test_trying_ends_and_says_where_and_what_to_do(fake: FakeService) -> None:
    nowhere = ApiConnection(Address("http://127.0.0.1:9"), retry_seconds=0.3, advice="Start it.")
    began = time.monotonic()

    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:9.*Start it"):
        nowhere.get("/experiments")
    assert time.monotonic() - began < 2
    fake.failures = [503] * 100
    with pytest.raises(ServerUnreachable, match="503"):
        transport_to(fake, seconds=0.3).get("/experiments")


@pytest.mark.parametrize(("status", "kind"), [(404, ServiceException), (409, ServiceException)])
def test_a_refusal_is_not_retried(fake: FakeService, status: int, kind: type[Exception]) -> None:
    fake.failures = [status]

    with pytest.raises(kind) as refused:
        transport_to(fake).get("/experiments")
    assert (refused.value.status_code, refused.value.message) == (status, "try again")  # type: ignore[attr-defined]
    assert len(fake.calls) == 1


def test_a_wrong_token_is_named(fake: FakeService) -> None:
    with pytest.raises(AuthenticationException, match="DISPATCHER_TOKEN"):
        ApiConnection(Address(fake.url, token="wrong")).get("/experiments")


def test_threads_have_connections_of_their_own(fake: FakeService) -> None:
    transport, told = transport_to(fake), []

    def ask() -> None:
        for _ in range(20):
            told.append(transport.get("/experiments"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [{"experiments": []}] * 160


def test_the_socket_is_preferred_where_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "service.sock"
    with serving(path) as fake:
        address = Address(fake.url, str(path), TOKEN)

        assert ApiConnection(address).get("/experiments") == {"experiments": []}
        assert str(path) in str(address)
    path.unlink()
    assert str(path) in str(address)  # its port may be another program's by now
    assert str(Address("http://example.org:1", str(path), TOKEN)) == "http://example.org:1"


def test_a_service_that_moved_is_found_again(fake: FakeService) -> None:
    old = Address("http://127.0.0.1:9", token=TOKEN)
    transport = ApiConnection(old, relocate=lambda: Address(fake.url, token=TOKEN), retry_seconds=5)

    assert transport.get("/experiments") == {"experiments": []}


def test_odd_floats_travel_as_objects() -> None:
    body = {"a": [float("nan"), float("-inf"), 1.5], "b": {"float": "nan", "more": 1}}

    sent = encoding.dumps(body)
    assert sent == b'{"a":[{"float":"nan"},{"float":"-inf"},1.5],"b":{"float":"nan","more":1}}'
    assert str(encoding.loads(sent)["a"]) == "[nan, -inf, 1.5]"


def test_an_exception_shows_itself_as_in_v1() -> None:
    cause = ValueError("why")
    error = UserErrorException("what", inner_exception=cause)

    assert str(error) == (
        "UserErrorException:\n\tMessage: what\n\tInnerException why\n\tErrorResponse \n"
        '{\n    "error": {\n        "code": "UserError",\n        "message": "what"\n    }\n}'
    )
    assert isinstance(error, AzureMLException)
    assert not isinstance(ServiceException("x", 404), AzureMLException)
