"""The jobs of a Docker target that wait for the image of their environment, and the builds.

Only images and logs are on disk. The service's engine launches a job again until the job has
started, so after a kill the builds begin again.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dispatcher.agent.builds.build_logs import BuildLogs
from dispatcher.agent.shipping.shipper import DEFAULT_LOG_LIMIT
from dispatcher.core.runs.jobs import ABSENT, Observation, State
from dispatcher.wire.jobs import Job
from targets.base import LaunchRefused, TargetError, TargetUnavailable
from targets.docker.claims import Claims, ClaimState
from targets.docker.images import (
    EnvironmentImages,
    ImageBuildFailed,
    ImagePlan,
    container_of,
    refusal,
)
from targets.docker.snapshots import ContainerSnapshots

AT_ONCE = 2  # builds; more at once would be slower, because they download and compile
TAIL = 2048
PREPARING = Observation(State.CREATED, preparing=True)
Report = Callable[[Mapping[str, Observation]], None]

log = logging.getLogger(__name__)


@dataclass
class _Build:
    """One build and the jobs that wait for it. Its log is that of the first job."""

    plan: ImagePlan
    path: Path
    container: str
    jobs: dict[str, Job] = field(default_factory=dict)


class ImageBuilds:
    """Decides which jobs can start and which wait for a build. Any thread may call."""

    def __init__(
        self,
        images: EnvironmentImages,
        claims: Claims,
        snapshots: ContainerSnapshots,
        service: Mapping[str, Any],
        state: Path,
        image: str,
        report: Report,
    ) -> None:
        """`image` is for jobs that name none; `report` receives the states of waiting jobs."""
        self._images, self._claims, self._snapshots = images, claims, snapshots
        self._image, self._report = image, report
        self._logs = BuildLogs(str(state / "builds"))
        self._logs.configure(service, DEFAULT_LOG_LIMIT)
        self._lock = threading.Lock()
        self._build_slots = threading.Semaphore(AT_ONCE)
        self._builds: dict[str, _Build] = {}
        self._failed: dict[str, LaunchRefused] = {}
        self._waiting: dict[str, str] = {}

    def launchable(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[str, TargetError]]:
        """The jobs that can be launched now, and the errors of others; the rest waits."""
        ready: list[Job] = []
        errors: dict[str, TargetError] = {}
        for job in jobs:
            try:
                prepared = job if job.environment is None else self._prepared(job, job.environment)
            except TargetError as error:
                errors[job.name] = error
                if isinstance(error, LaunchRefused):
                    self._claims.withdraw(job.name)
                continue
            if prepared is not None:
                ready.append(prepared)
        return ready, errors

    def waiting(self, names: Collection[str]) -> dict[str, Observation]:
        """The observations of those of these jobs that wait for a build."""
        with self._lock:
            return {name: PREPARING for name in names if name in self._waiting}

    def forget(self, names: Collection[str]) -> None:
        """Remove jobs from the waiting ones; a build without waiting jobs is ended."""
        ended: list[_Build] = []
        over: list[str] = []
        with self._lock:
            for name in names:
                self._failed.pop(name, None)
                tag = self._waiting.pop(name, None)
                if tag is not None and tag in self._builds:
                    build = self._builds[tag]
                    build.jobs.pop(name, None)
                    if not build.jobs:
                        ended.append(self._builds.pop(tag))
                if tag is not None:
                    over.append(name)
        for build in ended:
            self._images.end(build.container)
        for name in over:
            self._logs.finish(name, _nothing)

    def close(self) -> None:
        self._logs.close()
        self._images.close()

    def _prepared(self, job: Job, recipe: Mapping[str, Any]) -> Job | None:
        """The job with its image, or None if it waits."""
        if self._claims.claim(job.name) not in (None, ClaimState.LAUNCHED):
            return replace(job, environment=None)  # a withdrawn or ended job does not start
        with self._lock:
            failed = self._failed.pop(job.name, None)
            if job.name in self._waiting:
                return None
        if failed is not None:
            raise failed
        context = self._snapshots.fetch(recipe["context"]) if recipe.get("context") else None
        plan = self._images.plan(recipe, job.image or self._image, context)
        if self._images.has(plan.tag):
            return replace(job, image=plan.tag, environment=None)
        self._enqueue(job, plan)
        return None

    def _enqueue(self, job: Job, plan: ImagePlan) -> None:
        facts = {"name": job.name, "run_id": job.run_id, "attempt": job.attempt}
        path = Path(self._logs.begin(job.name, facts))
        with self._lock:
            build = self._builds.get(plan.tag)
            is_new = build is None
            if build is None:
                build = self._builds[plan.tag] = _Build(plan, path, container_of(plan))
            first = next(iter(build.jobs.values()), job)
            build.jobs[job.name] = job
            self._waiting[job.name] = plan.tag
        if is_new:
            name = f"build-{plan.tag[-12:]}"
            threading.Thread(target=self._run_build, args=(build,), name=name, daemon=True).start()
        elif first is not job:
            with path.open("a") as file:
                file.write(
                    f"The environment is being built; its log is that of run {first.run_id}.\n"
                )
        self._report({job.name: PREPARING})

    def _run_build(self, build: _Build) -> None:
        plan, failure = build.plan, None
        with build.path.open("a", buffering=1, errors="replace") as file:

            def write_line(line: str) -> None:
                file.write(f"{line}\n")

            try:
                with self._build_slots:
                    if build.jobs and not self._images.has(plan.tag):
                        write_line(f"Building environment {plan.recipe.get('name')} ({plan.tag})")
                        self._images.build(plan, build.container, write_line)
                        write_line("The environment is ready.")
            except ImageBuildFailed as error:
                write_line(f"The environment {error}.")
                failure = refusal(plan.recipe, error, _tail(build.path))
            except TargetUnavailable as error:
                write_line(f"The build was interrupted and is started again: {error}.")
            except Exception as error:
                log.exception("image build failed", extra={"environment": plan.tag})
                failure = refusal(plan.recipe, error, _tail(build.path))
        with self._lock:
            if self._builds.get(plan.tag) is build:
                del self._builds[plan.tag]
            names = list(build.jobs)
        for name in names:
            self._logs.finish(name, lambda name=name: self._on_build_ended(name, failure))  # type: ignore[misc]

    def _on_build_ended(self, name: str, failure: LaunchRefused | None) -> None:
        """Report a job absent after its build, so that the service launches it again."""
        with self._lock:
            if self._waiting.pop(name, None) is None:
                return
            if failure is not None:
                self._failed[name] = failure
        self._report({name: ABSENT})


def _nothing() -> None:
    """Nothing depends on the log any more."""


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().decode(errors="replace")
