"""Claims: what is on disk decides whether a name may start."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.wire.jobs import Job, Rank, World
from targets.docker.claims import KEPT_SECONDS, ClaimRecord, Claims, ClaimState, claim_record

ENTRY = ClaimRecord(ClaimState.LAUNCHED, "a-box", (0, 1), alone=False)


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(tmp_path, lambda _: False)


def test_a_name_is_claimed_for_good(claims: Claims, tmp_path: Path) -> None:
    assert claims.get("a-1") is None
    assert claims.take("a-1", ENTRY) == ENTRY
    assert claims.take("a-1", ClaimRecord()) == ENTRY

    assert Claims(tmp_path, lambda _: False).get("a-1") == ENTRY


def test_a_withdrawn_name_cannot_be_claimed(claims: Claims) -> None:
    claims.withdraw("a-1")

    assert claims.take("a-1", ENTRY).claim is ClaimState.WITHDRAWN


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"claim": "launched"}', "/etc/passwd"])
def test_a_claim_that_makes_no_sense_is_a_claim(claims: Claims, tmp_path: Path, text: str) -> None:
    (tmp_path / "claims" / "a-1").symlink_to(text)

    assert claims.claim("a-1") is ClaimState.LAUNCHED
    assert claims.take("a-1", ENTRY) == ClaimRecord()


def test_a_claim_can_be_replaced_and_given_back(claims: Claims) -> None:
    claims.take("a-1", ENTRY)
    stopped = replace(ENTRY, claim=ClaimState.STOPPED)
    claims.put("a-1", stopped)
    assert claims.get("a-1") == stopped

    claims.give_back("a-1")
    claims.give_back("a-1")

    assert claims.get("a-1") is None


def test_claims_are_forgotten_after_seven_days_unless_they_are_kept(
    claims: Claims, tmp_path: Path
) -> None:
    old = time.time() - KEPT_SECONDS - 60
    for name in ("kept-1", "old-1", "new-1"):
        claims.take(name, ENTRY)
    for name in ("kept-1", "old-1"):
        os.utime(tmp_path / "claims" / name, (old, old), follow_symlinks=False)

    again = Claims(tmp_path, lambda name: name == "kept-1")

    assert {name for name in ("kept-1", "old-1", "new-1") if again.get(name)} == {
        "kept-1",
        "new-1",
    }


def test_nothing_but_claims_is_left_in_the_folder(claims: Claims, tmp_path: Path) -> None:
    claims.take("a-1", ENTRY)
    claims.take("a-1", ENTRY)
    claims.put("a-1", ENTRY, durable=False)

    assert os.listdir(tmp_path / "claims") == ["a-1"]


def test_a_claim_that_is_read_again_keeps_what_is_collected_and_watched(
    claims: Claims, tmp_path: Path
) -> None:
    job = Job("a-1", "a", 1, command="exit 0", outputs=False, watch=("results", "tb/events"))
    claims.take(job.name, claim_record(job))

    facts = (Claims(tmp_path, lambda _: False).get(job.name) or ClaimRecord()).facts(job.name)

    assert facts["outputs"] is False
    assert facts["watch"] == ["results", "tb/events"]


def test_a_claim_is_as_long_as_its_job_needs(claims: Claims, tmp_path: Path) -> None:
    watch = tuple(f"{'x' * 200}/{k}" for k in range(100))
    ranks = tuple(Rank(k, k) for k in range(2000))
    job = Job("a-1", "a", 1, command="exit 0", watch=watch, ranks=ranks)
    taken = claims.take(job.name, claim_record(job))
    claims.put(job.name, replace(taken, claim=ClaimState.STOPPED))

    again = Claims(tmp_path, lambda _: False)
    assert again.get(job.name) == replace(claim_record(job), claim=ClaimState.STOPPED)
    again.give_back(job.name)
    assert again.get(job.name) is None


def test_a_claim_of_version_0_1_is_read(claims: Claims, tmp_path: Path) -> None:
    (tmp_path / "claims" / "a-1").symlink_to('["stopped","a-box",[0,1],false]')

    assert claims.get("a-1") == replace(ENTRY, claim=ClaimState.STOPPED)


def test_a_claim_tells_which_streams_a_job_has() -> None:
    ranks = (Rank(0), Rank(1))
    job = Job("a-b.c-2.1", "a-b.c", 2, script="x.py", ranks=ranks, world=World(4, 2, "mpi"))

    facts = claim_record(job).facts(job.name)

    assert (facts["run_id"], facts["attempt"]) == ("a-b.c", 2)
    assert [rank["rank"] for rank in facts["ranks"]] == [0, 1]
    assert facts["world"]
    assert not claim_record(Job("a-1", "a", 1)).facts("a-1")["world"]
