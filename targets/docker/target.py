"""Jobs in containers of one Docker engine: one container an attempt, or a fork in a warm one.

Nothing is remembered here that the engine and the target's folder do not know: a service that is
killed at any line and started again sees the same jobs in the same states. What was claimed for a
name (`claims.py`) says where to look for it: in its own container (`cold.py`), or in
one that it shares (`warm.py`).
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from dispatcher.core.jobs import Job, Observation, State
from dispatcher.core.scheduling import Capacity, Node
from targets.base import Report, TargetError, TargetUnavailable
from targets.config import DockerConfig
from targets.docker.boxes import Boxes
from targets.docker.bytecode import Runtimes
from targets.docker.claims import Claim, Claims, Entry
from targets.docker.cold import Cold
from targets.docker.engine import SECONDS, Engine
from targets.docker.environments import Environments
from targets.docker.files import names_below
from targets.docker.images import Images
from targets.docker.launch import Launcher
from targets.docker.profile import SERVICE_LABEL, Ground
from targets.docker.runtime import unpack
from targets.docker.shelf import Shelf
from targets.docker.spools import Spools
from targets.docker.warm import Warm
from targets.docker.warm_pool import Pool
from targets.docker.watch import Happening, Watch
from targets.place import Site

# Measured on two cores: 6 starts a second by one thread, 9 by two, 10 by four.
WORKERS = 4
SWEEP_SECONDS = 60.0

_NOT_THERE = (State.ABSENT, State.REMOVED)

log = logging.getLogger(__name__)


class DockerTarget:
    """The target. Every verb may be called from any thread, and again after any crash."""

    def __init__(
        self,
        config: DockerConfig,
        site: Site,
        token: str,
        *,
        runtime: Path | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """`token` is an agent's; `runtime` what its containers run, our own agent by default."""
        state = site.root / config.name
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)  # below it are files that any user of a container may read
        runtime = runtime or unpack(state / "runtime")
        ground = Ground(site.service_id, state, runtime, site.service_socket, site.service_url)
        service = {"socket": str(site.service_socket), "url": site.service_url, "token": token}
        self._config = config
        self._label = f"{SERVICE_LABEL}={site.service_id}"
        self._engine = Engine(config.docker_host, seconds)
        self._report: Report | None = None
        self._watch: Watch | None = None
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="docker")
        self._furnish(ground, service)
        threading.Thread(target=self._keep, name="docker-keeper", daemon=True).start()

    def _furnish(self, ground: Ground, service: Mapping[str, str]) -> None:
        config, engine, state = self._config, self._engine, ground.state
        runtimes = Runtimes(config, ground, engine)
        self._boxes = Boxes(state)
        self._claims = Claims(state, _Kept(state, self._boxes))
        self._shelf = shelf = Shelf(state / "snapshots", service)
        images = Images(config, engine, ground)
        self._environments = Environments(
            images, self._claims, shelf, service, state, config.image, self._say
        )
        self._images = images
        self._spools = spools = Spools(state, service, tell=self._tell, complete=self._complete)
        self._launcher = Launcher(
            config, ground, engine, self._boxes, self._claims, shelf, runtimes
        )
        self._cold = Cold(engine, self._boxes, self._claims, self._launcher, spools)
        self._warm_boxes = Pool(config, ground, engine, runtimes)
        self._warm = Warm(config, ground, self._warm_boxes, self._claims, shelf, spools)

    def capacity(self) -> Capacity:
        """All of the engine's machine, or what the configuration says is ours of it."""
        info, config = self._engine.info(), self._config
        cpus = config.cpus or float(info["NCPU"])
        memory_mb = config.memory_mb or int(info["MemTotal"]) >> 20
        return Capacity((Node(config.name, cpus, config.gpus, memory_mb),))

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        """Start each job unless one of that name was ever started; answer what went wrong."""
        jobs, refused = self._environments.sorted(jobs)
        return {**refused, **self._launch(jobs)}

    def _launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        warm = [job for job in jobs if self._goes_warm(job)]
        errors = dict(self._warm.launch(warm)) if warm else {}
        taken = {job.name for job in warm}
        cold = [job for job in jobs if job.name not in taken]
        answers = self._all(self._launch_cold, cold)
        return errors | {job.name: error for job, error in zip(cold, answers, strict=True) if error}

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        """What is to be seen of each named job. Raises TargetUnavailable."""
        waiting = self._environments.waiting(names)
        warm, cold = self._sorted([name for name in names if name not in waiting])
        found = self._listed(cold)
        seen = {name: self._cold.seen(name, found.get(name)) for name in cold}
        return {**waiting, **seen, **self._warm.poll(warm)} if warm else {**waiting, **seen}

    def jobs(self) -> Mapping[str, Observation]:
        """All jobs that have folders here, and what is to be seen of them."""
        seen = self.poll({*self._boxes.names(), *self._warm.names()})
        return {name: one for name, one in seen.items() if one.state not in _NOT_THERE}

    def stop(self, names: Collection[str], grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace` seconds; what has not started is withdrawn."""
        self._environments.forget(names)
        warm, cold = self._sorted(names)
        if warm:
            self._warm.stop(warm, grace)
        found = self._engine.containers(self._label) if cold else {}
        news = self._all(lambda name: self._cold.stop(name, found.get(name), grace), cold)
        due = [name for name, is_new in zip(cold, news, strict=True) if is_new]
        self._cold.kill_later(due, grace)

    def remove(self, names: Collection[str]) -> None:
        """Forget ended jobs; one that lives, or is not there, is left as it is."""
        warm, cold = self._sorted(names)
        if warm:
            self._warm.remove(warm)
        found = self._listed(cold)
        self._all(lambda name: self._cold.remove(name, found.get(name)), cold)

    def watch(self, report: Report) -> None:
        """Report what has changed: what the engine's event stream and warm agents tell."""
        self._report = report
        self._warm.watch(report)
        self._watch = Watch(self._engine, self._label, self._hear)

    def close(self) -> None:
        """Let go of connections. Jobs go on."""
        self._closed.set()
        if self._watch is not None:
            self._watch.close()
        self._pool.shutdown(wait=False)
        self._environments.close()
        self._spools.close()
        self._warm_boxes.close()
        self._shelf.close()
        self._engine.close()

    def _goes_warm(self, job: Job) -> bool:
        entry = self._claims.get(job.name)
        if entry is not None:
            return entry.box is not None
        return self._warm.takes(job) and not self._boxes.is_there(job.name)

    def _launch_cold(self, job: Job) -> TargetError | None:
        error = self._launcher.launch(job)
        entry = self._claims.get(job.name)
        if entry is not None and entry.claim is Claim.LAUNCHED:
            self._spools.follow(job.name, entry)
        return error

    def _listed(self, names: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """The engine's containers, if there is any of these names that has to be looked for."""
        if all(map(self._cold.has_ended, names)):
            return {}
        return self._engine.containers(self._label)

    def _sorted(self, names: Collection[str]) -> tuple[dict[str, Entry], list[str]]:
        """The jobs that were claimed for a warm container, and the others."""
        entries = {name: self._claims.get(name) for name in names}
        warm = {name: entry for name, entry in entries.items() if entry and entry.box}
        return warm, [name for name in entries if name not in warm]

    def _hear(self, event: Happening | None) -> None:
        """Report what an event is about: nothing in particular means that all may have changed."""
        if self._report is None:
            return
        if event is None or event.name in self._warm_boxes:
            self._report({})
            return
        with suppress(TargetUnavailable):
            seen = self._cold.hear(event)
            if seen:
                self._report(seen)

    def _say(self, seen: Mapping[str, Observation]) -> None:
        if self._report is not None:
            self._report(seen)

    def _tell(self, name: str) -> None:
        """The end of a job may be told now."""
        if self._report is not None:
            with suppress(TargetUnavailable):
                self._report(self.poll([name]))

    def _complete(self, name: str) -> None:
        self._cold.complete(name)
        with suppress(TargetUnavailable):
            self._warm.complete(name)

    def _keep(self) -> None:
        """Tidy up, first of all what a service before this one has left."""
        pause = 0.0
        while not self._closed.wait(pause):
            try:
                if not pause:
                    self._cold.sweep()
                    self._images.sweep()
                self._warm.sweep()
            except TargetUnavailable as error:
                log.debug("%s", error)
            except Exception:
                log.exception("sweeping %s", self._config.name)
            pause = min(SWEEP_SECONDS, self._config.warm_idle_seconds / 4)

    def _all(self, act: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [act(item) for item in items] if len(items) < 2 else list(self._pool.map(act, items))


class _Kept:
    """Says of a name whether it has folders, so that its claim is still needed."""

    def __init__(self, state: Path, boxes: Boxes) -> None:
        self._boxes = boxes
        self._warm = {
            name
            for box in names_below(state, "warm")
            for name in names_below(state / "warm", box, "jobs")
        }

    def __call__(self, name: str) -> bool:
        return name in self._warm or self._boxes.is_there(name)
