"""Benches for the outcome contract: each kind of target, with a service that keeps what it gets."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispatcher.wire.jobs import Job
from targets.base import Target
from tests.integration.agent.fake_service import FakeService


@dataclass
class Bench:
    """See `targets.outcome_contract.OutcomeBench`."""

    target: Target
    service: FakeService
    gpus: Sequence[str]
    limits_memory: bool
    fields: Mapping[str, Any] = field(default_factory=dict)
    positions: bool = False  # whether a job's devices are counted from 0 inside

    def new_job(self, **fields: Any) -> Job:
        run_id = f"r{secrets.token_hex(4)}"
        return Job(f"{run_id}-1", run_id, 1, **{"hide_gpus": True, **self.fields, **fields})

    def add_snapshot(self, files: Mapping[str, bytes]) -> str:
        return self.service.add_snapshot(dict(files))

    def log(self, job: Job, name: str) -> bytes:
        return self.service.log(job.run_id, name)

    def files(self, job: Job) -> Mapping[str, bytes]:
        return self.service.files.of(job.run_id)

    def devices(self, environment: Mapping[str, str]) -> Sequence[str]:
        """By CUDA's variable; in containers by what the engine was asked for."""
        if not self.positions:
            return [one for one in environment["CUDA_VISIBLE_DEVICES"].split(",") if one]
        given = environment["NVIDIA_VISIBLE_DEVICES"]
        devices = [] if given == "void" else given.split(",")
        inside = [one for one in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
        assert inside == [str(k) for k in range(len(devices))]
        return devices
