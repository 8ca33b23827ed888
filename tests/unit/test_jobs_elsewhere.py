"""Jobs in containers and on Ray nodes are not told to inherit from the submitter's machine."""

from pathlib import Path

import pytest

from dispatcher.wire.jobs import Job, encode_job
from targets.docker import container_spec
from targets.ray.target import _adapted


@pytest.mark.parametrize("kind", ["docker", "ray"])
def test_a_job_elsewhere_inherits_nothing_and_so_loses_nothing(kind: str) -> None:
    job = Job("r-1", "r", 1, command="true", inherits="a" * 64)

    sent = container_spec.inside(job, Path("/s")) if kind == "docker" else _adapted(job)

    assert encode_job(sent).get("inherits") is None
