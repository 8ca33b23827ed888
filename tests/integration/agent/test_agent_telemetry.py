"""What scripts say arrives: all of it, once, in order, whatever happens to the service."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.integration.agent.fake_service import FakeService
from tests.integration.agent.rig import Agent, job
from tests.rigs.waiting import until

# Logs metric lines as the client does: single writes on an O_APPEND descriptor.
SPEAKER = """
import os, sys, time
fd = os.open(os.environ['DISPATCHER_JOB_DIR'] + '/metrics',
             os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for k in range(int(sys.argv[1])):
    os.write(fd, b'{"n": "loss", "v": %d}\\n' % k)
    print('line', k)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def told(agent: Agent, service: FakeService) -> Agent:
    agent.ask("configure", service=service.address)
    return agent


@pytest.fixture
def speaker(tmp_path: Path) -> str:
    path = tmp_path / "speaker.py"
    path.write_text(SPEAKER)
    return str(path)


def expected(count: int) -> tuple[bytes, bytes]:
    """Metrics and log of so many lines."""
    metrics = b"".join(b'{"n": "loss", "v": %d}\n' % k for k in range(count))
    return metrics, "".join(f"line {k}\n" for k in range(count)).encode()


def test_all_is_there_when_the_end_is_told(told: Agent, service: FakeService, speaker: str) -> None:
    told.run(job("all-1", script=speaker, arguments=["50", "0"]))
    assert (service.metrics("all"), service.log("all")) == expected(50)


def test_it_arrives_while_the_job_lives(told: Agent, service: FakeService, speaker: str) -> None:
    told.submit(job("live-1", script=speaker, arguments=["100", "0.05"]))
    until(lambda: len(service.log("live")) > 30, "the first lines are there")
    assert told.observe("live-1")["state"] == "alive"
    told.stop("live-1", grace=0)
    told.evidence("live-1")
    assert service.log("live").decode() == told.log("live-1")


def test_a_killed_script_loses_no_line(told: Agent, service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "kill.py"
    path.write_text(SPEAKER + "os.kill(os.getpid(), 9)\n")
    ended = told.run(job("killed-1", script=str(path), arguments=["500", "0"]))
    assert ended["signal"] == 9
    assert (service.metrics("killed"), service.log("killed")) == expected(500)


def test_a_service_that_was_away_gets_all_once(
    told: Agent, service: FakeService, speaker: str
) -> None:
    told.submit(job("away-1", script=speaker, arguments=["60", "0.05"]))
    until(lambda: service.log("away"), "the first lines are there")
    for _ in range(3):
        service.is_away = True
        time.sleep(0.3)
        service.is_away, service.forgets_answers = False, True
        time.sleep(0.4)
        service.forgets_answers = False
        time.sleep(0.1)
    told.evidence("away-1")
    assert (service.metrics("away"), service.log("away")) == expected(60)


def test_an_end_waits_five_seconds_for_the_service_and_no_more(
    told: Agent, service: FakeService, speaker: str
) -> None:
    service.is_away = True
    begun = time.monotonic()
    told.run(job("late-1", script=speaker, arguments=["20", "0"]))
    assert 4.5 < time.monotonic() - begun < 8
    told.ask("remove", names=["late-1"])
    assert told.observe("late-1")["state"] == "removed"
    assert told.folder("late-1").exists()  # the service has not got it yet
    service.is_away = False
    until(lambda: service.metrics("late") == expected(20)[0], "it was shipped later")
    until(lambda: not told.folder("late-1").exists(), "then the folder went")


def test_a_new_agent_goes_on_where_the_service_is(
    told: Agent, service: FakeService, speaker: str
) -> None:
    told.submit(job("handed-1", script=speaker, arguments=["40", "0.05"]))
    until(lambda: service.log("handed"), "the first lines are there")
    told.restart()  # it knows the service by itself
    told.evidence("handed-1")
    assert (service.metrics("handed"), service.log("handed")) == expected(40)


def test_what_ended_without_agent_is_shipped_by_the_next(
    told: Agent, service: FakeService, speaker: str
) -> None:
    told.submit(job("alone-1", script=speaker, arguments=["10", "0.03"]))
    told.until("alone-1", "alive")
    told.kill()
    until((told.folder("alone-1") / "exit.json").exists, "it has ended")
    told.start()
    told.evidence("alone-1")
    assert (service.metrics("alone"), service.log("alone")) == expected(10)
    asked = service.requests["/api/v1/spool"]
    told.restart()
    told.evidence("alone-1")
    assert service.requests["/api/v1/spool"] == asked  # it is known that all is there


def test_jobs_that_say_nothing_cost_no_request(told: Agent, service: FakeService) -> None:
    told.submit(*(job(f"mute{k}-1", command="exit 0") for k in range(20)))
    for k in range(20):
        told.evidence(f"mute{k}-1")
    assert service.requests["/api/v1/spool"] == 0


def test_many_jobs_share_requests(told: Agent, service: FakeService) -> None:
    service.is_away = True
    told.submit(*(job(f"share{k}-1", command="echo x") for k in range(100)))
    for k in range(100):
        told.evidence(f"share{k}-1")
    service.is_away = False
    service.requests.clear()
    until(lambda: len(service.streams) == 100, "all is there")
    assert service.requests["/api/v1/spool"] <= 3


def test_a_refused_run_holds_up_nobody(told: Agent, service: FakeService) -> None:
    service.unknown_runs.add("strange")
    told.submit(job("strange-1", command="echo x"), job("known-1", command="echo y"))
    told.evidence("known-1", timeout=4)
    told.evidence("strange-1", timeout=4)
    assert service.log("known") == b"y\n"
    assert service.log("strange") == b""


def test_bytes_stay_as_they_are(told: Agent, service: FakeService, tmp_path: Path) -> None:
    garbage = bytes(range(256)) * 20_000 + b"\r50%\r\x1b[2J" + b"x" * (3 << 20)
    (tmp_path / "garbage").write_bytes(garbage)
    ended = told.run(job("garbage-1", command=f"cat {tmp_path}/garbage"))
    assert service.log("garbage") == garbage
    assert ended["tail"].endswith("xxx")


def test_a_long_metric_line_arrives_whole(told: Agent, service: FakeService) -> None:
    line = f"head -c {3 << 20} /dev/zero | tr '\\0' y; echo; printf half"
    told.run(job("long-1", command=f"( {line} ) > $DISPATCHER_JOB_DIR/metrics"))
    assert service.metrics("long") == b"y" * (3 << 20) + b"\n"


def test_a_log_beyond_its_limit_is_cut_in_the_middle(
    agent: Agent, service: FakeService, tmp_path: Path
) -> None:
    limit = 1_000_000
    agent.ask("configure", service=service.address, log_limit=limit)
    path = tmp_path / "flood.py"
    path.write_text(
        "import os, time\n"
        "for k in range(400):\n"
        "    os.write(1, (b'%06d ' % k) * 10_000)\n"
        "    if k % 40 == 0: time.sleep(0.25)\n"
        "os.write(1, b'the end')\n"
    )
    agent.run(job("flood-1", script=str(path)))
    whole = 400 * 70_000 + 7
    log = service.log("flood")
    left_out = whole - limit - 65536
    mark = (
        f"\n[dispatcher: log truncated: {left_out} bytes left out, limit {limit} bytes; "
        "the last 65536 bytes follow]\n"
    ).encode()
    head, tail = log[:limit], log[limit + len(mark) :]
    assert log[limit : limit + len(mark)] == mark
    assert head == b"".join((b"%06d " % k) * 10_000 for k in range(15))[:limit]
    assert (len(tail), tail[-7:]) == (65536, b"the end")
    file = agent.folder("flood-1") / "std_log.txt"
    told = os.stat(file)
    assert told.st_size == whole
    assert told.st_blocks * 512 < whole / 2  # the middle was given back to the disk


def test_the_host_of_a_gang_has_a_stream_of_its_own(
    told: Agent, service: FakeService, speaker: str
) -> None:
    one = {**job("far-1", script=speaker, arguments=["2", "0"]), "name": "far-1.1"}
    told.run(one)
    assert service.streams["far", 1, "metrics-1"] == expected(2)[0]


def test_a_configured_agent_keeps_its_settings_to_itself(told: Agent) -> None:
    path = told.root / "service.json"
    assert json.loads(path.read_text())["service"]["token"] == "secret"
    assert path.stat().st_mode & 0o077 == 0
