"""Files that jobs leave are with the service before their end is told, whatever happens to it."""

import json
import time
from pathlib import Path

import pytest

from tests.integration.agent.fake_service import FakeService
from tests.integration.agent.rig import Agent, job
from tests.integration.agent.test_agent_single import start
from tests.rigs.waiting import until

LARGE = "head -c 9000000 /dev/urandom > outputs/large; echo done > outputs/small"


@pytest.fixture
def told(agent: Agent, service: FakeService) -> Agent:
    agent.ask("configure", service=service.address)
    return agent


def test_all_files_are_there_when_the_end_is_told(told: Agent, service: FakeService) -> None:
    told.run(job("all-1", command=LARGE))
    files = service.files.of("all")
    assert sorted(files) == ["outputs/large", "outputs/small"]
    assert len(files["outputs/large"]) == 9_000_000


def test_a_slow_service_is_waited_for_as_long_as_it_takes(
    told: Agent, service: FakeService
) -> None:
    service.files.pause = 2.5
    before = time.monotonic()
    told.run(job("slow-1", command=LARGE))
    assert time.monotonic() - before > 7
    assert sorted(service.files.of("slow")) == ["outputs/large", "outputs/small"]


def test_a_service_that_is_away_delays_the_telling_by_five_seconds_and_gets_the_files_later(
    told: Agent, service: FakeService
) -> None:
    told.submit(job("away-1", command=f"sleep 0.5; {LARGE}"))
    until(lambda: told.observe("away-1")["state"] == "alive", "it lives")
    service.is_away = True
    before = time.monotonic()
    told.evidence("away-1")
    assert 4 < time.monotonic() - before < 9
    service.is_away = False
    until(lambda: len(service.files.of("away")) == 2, "the files have come", timeout=20)


def test_a_service_that_goes_away_in_the_middle_does_not_hold_the_end_back(
    told: Agent, service: FakeService
) -> None:
    service.files.pause = 0.5
    told.submit(job("middle-1", command=LARGE))
    until(lambda: service.files.parts, "the upload has begun")
    service.is_away = True
    before = time.monotonic()
    told.evidence("middle-1")
    assert time.monotonic() - before < 9
    service.is_away = False
    until(lambda: len(service.files.of("middle")) == 2, "the files have come", timeout=20)


def test_lost_answers_double_nothing(told: Agent, service: FakeService) -> None:
    told.submit(job("lost-1", command=f"sleep 0.3; {LARGE}"))
    service.forgets_answers = True
    time.sleep(1.5)
    service.forgets_answers = False
    told.evidence("lost-1")
    assert sorted(service.files.of("lost")) == ["outputs/large", "outputs/small"]


def test_an_agent_that_was_killed_goes_on_where_it_was(told: Agent, service: FakeService) -> None:
    service.files.pause = 0.3
    told.submit(job("killed-1", command=LARGE))
    until(lambda: service.files.parts, "the upload has begun")
    told.restart()
    told.evidence("killed-1")
    assert sorted(service.files.of("killed")) == ["outputs/large", "outputs/small"]
    told.restart()
    requests = service.requests.total()
    told.evidence("killed-1")
    assert service.requests.total() == requests  # it is noted: the service is not even asked


def test_a_removed_job_is_deleted_once_its_files_have_come(
    told: Agent, service: FakeService
) -> None:
    told.submit(job("gone-1", command=f"sleep 0.5; {LARGE}"))
    until(lambda: told.observe("gone-1")["state"] == "alive", "it lives")
    service.is_away = True
    told.evidence("gone-1")
    told.ask("remove", names=["gone-1"])
    assert told.folder("gone-1").exists()
    service.is_away = False
    until(lambda: not told.folder("gone-1").exists(), "the folder is deleted", timeout=20)
    assert sorted(service.files.of("gone")) == ["outputs/large", "outputs/small"]


def test_a_name_that_is_taken_keeps_its_content_and_the_others_come(
    told: Agent, service: FakeService
) -> None:
    service.files.contents["0"] = b"uploaded by the script"
    service.files.names["taken", "outputs/small"] = "0"
    told.run(job("taken-1", command=LARGE))
    files = service.files.of("taken")
    assert files["outputs/small"] == b"uploaded by the script"
    assert len(files["outputs/large"]) == 9_000_000


def test_hosts_of_a_gang_keep_their_files_apart(told: Agent, service: FakeService) -> None:
    command = (
        "echo $DISPATCHER_JOB > outputs/who; echo $DISPATCHER_JOB > logs/who; echo x > outputs/same"
    )
    told.run(job("gang-1", command=command))
    told.run({**job("gang-1", command=command), "name": "gang-1.1"})
    files = service.files.of("gang")
    assert files == {
        "outputs/who": b"gang-1\n",
        "outputs/host_1/who": b"gang-1.1\n",
        "outputs/same": b"x\n",
    }
    assert service.log("gang", "logs/who") == b"gang-1\n"
    assert service.log("gang", "logs/host_1/who") == b"gang-1.1\n"


def test_a_run_that_the_service_does_not_know_holds_nothing_up(
    told: Agent, service: FakeService
) -> None:
    service.unknown_runs.add("unknown")
    told.run(job("unknown-1", command="echo x; echo y > logs/z"))


def test_what_is_not_to_be_kept_is_not(told: Agent, service: FakeService) -> None:
    command = "echo a > outputs/a; echo b > logs/b; mkdir mine; echo c > mine/c"
    told.run(job("not-1", command=command, outputs=False, watch=["mine"]))
    assert service.files.of("not") == {}
    assert service.log("not", "mine/c") == b"c\n"
    assert service.log("not", "logs/b") == b""


def test_a_single_job_brings_its_files_itself(tmp_path: Path, service: FakeService) -> None:
    (tmp_path / "service.json").write_text(json.dumps({"service": service.address}))
    assert start(tmp_path, job("single-1", command=LARGE)).wait(30) == 0
    assert sorted(service.files.of("single")) == ["outputs/large", "outputs/small"]


def test_a_watched_file_longer_than_a_log_may_be_is_kept_whole(
    agent: Agent, service: FakeService
) -> None:
    agent.ask("configure", service=service.address, log_limit=100_000)
    agent.run(job("long-1", command="seq 1000000 > logs/long"))
    whole = "".join(f"{n}\n" for n in range(1, 1_000_001)).encode()
    assert service.files.of("long") == {"logs/long": whole}
    assert whole.startswith(service.log("long", "logs/long")[:100_000])
