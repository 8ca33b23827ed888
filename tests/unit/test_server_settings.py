"""Settings of a service that users set by variables, and what is said of wrong ones."""

import socket
from pathlib import Path
from typing import Any

import pytest

from dispatcher.core.errors import DispatcherError
from dispatcher.server import listeners
from dispatcher.server.settings import Settings, read_settings


@pytest.mark.parametrize(
    ("text", "host"),
    [("[::1]", "::1"), ("::1", "::1"), ("", "127.0.0.1"), (" localhost ", "localhost")],
)
def test_a_host_is_read_as_people_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, host: str
) -> None:
    monkeypatch.setenv("DISPATCHER_HOST", text)

    assert read_settings(tmp_path).host == host


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISPATCHER_PORT", "eighty"),
        ("DISPATCHER_PORT", "65536"),
        ("DISPATCHER_MAX_BODY_MB", "0"),
        ("DISPATCHER_INTERACTIVE_END_SECONDS", "-1"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(DispatcherError, match=f"{name}: .*{value}"):
        read_settings(tmp_path)


@pytest.mark.parametrize("host", ["999.1.1.1", "x" * 300])
def test_a_host_that_is_not_there_is_named_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    find = socket.getaddrinfo

    def without_dns(name: str, *words: Any, flags: int = 0, **more: Any) -> Any:
        return find(name, *words, flags=flags | (name[0] == "9" and socket.AI_NUMERICHOST), **more)

    monkeypatch.setattr(socket, "getaddrinfo", without_dns)
    with pytest.raises(DispatcherError, match=r"cannot be resolved.*DISPATCHER_HOST"):
        listeners.tcp(Settings(data_dir=tmp_path, host=host))
