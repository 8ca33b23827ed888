"""Streams against a service that takes what it likes: in the end all is there, once, in order."""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.agent.shipping.streams import TAIL, LogStream, Stream

KEY = ("run", 1, "metrics")


def pump(stream: Stream, held: bytes, chance: random.Random, final: bool) -> bytes:
    """Send what it gives until there is nothing, with answers lost and chunks cut."""
    while (chunk := stream.chunk(final)) is not None:
        header, data = chunk
        offset = header["offset"]
        if offset <= len(held):
            taken = data[: chance.randint(1, len(data))] if data and chance.random() < 0.3 else data
            held += taken[max(0, len(held) - offset) :]
        if chance.random() < 0.8:
            stream.acknowledged(len(held), data)
    return held


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.binary(max_size=200)), seed=st.integers(), is_new=st.booleans())
def test_a_log_arrives_once_and_in_order(parts: list[bytes], seed: int, is_new: bool) -> None:
    chance, held = random.Random(seed), b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        stream = LogStream(KEY, str(path), is_new, limit=10**6)
        for part in parts:
            with path.open("ab") as file:
                file.write(part)
            held = pump(stream, held, chance, final=False)
        held = pump(stream, held, chance, final=True)
    assert held == b"".join(parts)


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(st.binary(max_size=50)), half=st.binary(max_size=9).map(lambda b: b[:9]))
def test_metrics_are_sent_in_whole_lines(lines: list[bytes], half: bytes) -> None:
    whole = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics"
        path.write_bytes(whole + half.replace(b"\n", b""))
        stream = Stream(KEY, str(path), is_new=True)
        sent = b""
        while (chunk := stream.chunk(final=True)) is not None:
            sent += chunk[1]
            stream.acknowledged(len(sent), chunk[1])
    assert sent == whole


def test_another_may_have_sent_it_already(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    path.write_bytes(b"a\nb\nc\n")
    stream = Stream(KEY, str(path), is_new=False)
    first = stream.chunk(final=False)
    assert first is not None
    assert first[1] == b""  # it asks
    stream.acknowledged(4, b"")
    second = stream.chunk(final=False)
    assert second is not None
    assert (second[0]["offset"], second[1]) == (4, b"c\n")


def test_a_service_that_lost_some_gets_it_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    path.write_bytes(b"a\nb\nc\n")
    stream = Stream(KEY, str(path), is_new=True)
    stream.acknowledged(6, b"a\nb\nc\n")
    with path.open("ab") as file:
        file.write(b"d\n")
    assert stream.chunk(final=True) is not None
    stream.acknowledged(2, b"d\n")
    again = stream.chunk(final=True)
    assert again is not None
    assert (again[0]["offset"], again[1]) == (2, b"b\nc\nd\n")


def test_a_stream_that_is_never_taken_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    path.write_bytes(b"a\n")
    stream = Stream(KEY, str(path), is_new=True)
    tries = 0
    while stream.chunk(final=True) is not None:
        stream.acknowledged(0, b"a\n")
        tries += 1
    assert tries == 3


def test_a_log_just_beyond_the_limit_is_sent_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (1000 + TAIL))
    stream = LogStream(KEY, str(path), is_new=True, limit=1000)
    assert len(pump(stream, b"", random.Random(1), final=False)) == 1000
    assert len(pump(stream, b"x" * 1000, random.Random(1), final=True)) == 1000 + TAIL


def test_files_that_never_come_have_nothing_to_say(tmp_path: Path) -> None:
    assert Stream(KEY, str(tmp_path / "none"), is_new=False).chunk(final=True) is None
    (tmp_path / "empty").touch()
    assert Stream(KEY, str(tmp_path / "empty"), is_new=False).chunk(final=True) is None
