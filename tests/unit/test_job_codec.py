"""Jobs and claims survive their encoded form, whatever is in them."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.wire.jobs import Job, Rank, World, decode_job, encode_job
from targets.docker.claims import ClaimRecord, Claims, ClaimState

texts = st.text(max_size=20)
names = st.tuples(texts, texts).map(tuple)
mappings = st.dictionaries(texts, texts, max_size=3)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 10**6)
ranks = st.builds(Rank, st.integers(0), st.integers(0), st.integers(0), names, mappings)
worlds = st.builds(
    World,
    size=st.integers(1),
    nodes=st.integers(1),
    distribution=st.none() | texts | st.dictionaries(texts, st.dictionaries(texts, st.integers())),
    master_addr=texts,
    master_port=st.none() | st.integers(1, 65535),
    hosts=names,
    ports=st.tuples(st.integers(1, 65535)),
)
jobs = st.builds(
    Job,
    name=texts,
    run_id=texts,
    attempt=st.integers(1),
    script=st.none() | texts,
    command=st.none() | texts,
    arguments=names,
    env=mappings,
    snapshot=st.none() | texts,
    ranks=st.lists(ranks, min_size=1, max_size=3).map(tuple),
    world=st.none() | worlds,
    gpus=names,
    hide_gpus=st.booleans(),
    cpus=numbers,
    memory_mb=st.none() | st.integers(1),
    time_limit=st.none() | numbers,
    environment=st.none() | mappings,
    outputs=st.booleans(),
    watch=names,
    cpu_budget=st.none() | numbers,
)


@given(jobs)
def test_a_job_is_the_same_after_it_has_travelled(job: Job) -> None:
    assert decode_job(json.loads(json.dumps(encode_job(job)))) == job


@given(jobs)
def test_fields_of_a_later_version_are_ignored(job: Job) -> None:
    assert decode_job({**json.loads(json.dumps(encode_job(job))), "later": 1}) == job


def test_every_field_of_a_job_travels() -> None:
    assert set(encode_job(Job("a-1", "a", 1))) == {one.name for one in fields(Job)}


def test_absent_fields_have_their_defaults() -> None:
    assert decode_job({"name": "a-1", "run_id": "a", "attempt": 1}) == Job("a-1", "a", 1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"attempt": "1"}, r"job\.attempt: must be an integer, got '1'"),
        ({"attempt": True}, r"job\.attempt: must be an integer, got True"),
        ({"name": None}, r"job\.name: must be a text, got None"),
        ({"hide_gpus": 1}, r"job\.hide_gpus: must be true or false, got 1"),
        ({"ranks": [{"rank": "x"}]}, r"ranks\[0\]\.rank: must be an integer, got 'x'"),
        ({"ranks": [3]}, r"ranks\[0\]: must be an object, got 3"),
        ({"world": {"nodes": 1}}, r"world\.size: is required"),
        ({"time_limit": "1h"}, r"job\.time_limit: must be an integer or a number or null"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(change: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        decode_job({"name": "a-1", "run_id": "a", "attempt": 1, **change})


@given(
    st.builds(
        ClaimRecord,
        claim=st.sampled_from(ClaimState),
        container=st.none() | texts,
        ranks=st.lists(st.integers(0, 10**6), max_size=2000).map(tuple),
        alone=st.booleans(),
        outputs=st.booleans(),
        watch=st.lists(st.text(max_size=300), max_size=30).map(tuple),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_claim_is_the_same_after_it_was_on_disk(tmp_path: Path, record: ClaimRecord) -> None:
    claims = Claims(tmp_path, lambda _: True)
    claims.give_back("a-1")
    claims.take("a-1", record, durable=False)
    assert claims.get("a-1") == record
