"""The connection to a Docker engine: opened on first use, with a time limit for each call.

If the engine does not answer, TargetUnavailable is raised. An error in its answer remains Docker's
own APIError, for the caller to judge.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, cast

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from targets.base import TargetUnavailable

DEFAULT_URL = "unix:///var/run/docker.sock"
SECONDS = 30.0  # for one call; a start on a busy machine takes several


class DockerEngine:
    """One engine. Several threads may call it at once."""

    def __init__(self, url: str | None = None, seconds: float = SECONDS) -> None:
        self._options: dict[str, Any] = {"timeout": seconds}
        self._options |= {"base_url": url} if url else kwargs_from_env()
        self.url: str = self._options.setdefault("base_url", DEFAULT_URL)
        self._api: docker.APIClient | None = None
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def calls(self, *, judged: bool = False) -> Iterator[docker.APIClient]:
        """Call the engine. Raises TargetUnavailable if it does not answer in time.

        An internal error of the engine raises TargetUnavailable as well, unless the caller judges
        such errors itself (`judged`).
        """
        try:
            yield self._connected()
        except APIError as error:
            if judged or not error.is_server_error():
                raise
            raise TargetUnavailable(f"the Docker engine at {self.url} failed: {error}") from error
        except (DockerException, RequestException, HTTPError) as error:
            raise TargetUnavailable(f"the Docker engine at {self.url} does not answer") from error

    def info(self) -> Mapping[str, Any]:
        """The engine's information about itself, requested now."""
        with self.calls() as api:
            return self._remember("info", api.info())

    def known(self) -> Mapping[str, Any]:
        """The engine's information about itself, requested once."""
        return self._facts.get("info") or self.info()

    def version(self) -> Mapping[str, Any]:
        """The engine's version, requested once."""
        if "version" in self._facts:
            return self._facts["version"]
        with self.calls() as api:
            return self._remember("version", api.version())

    def containers(self, label: str) -> Mapping[str, Mapping[str, Any]]:
        """All containers with the label, running or not, by name."""
        with self.calls() as api:
            summaries = api.containers(all=True, filters={"label": label})
        return {names[0].lstrip("/"): each for each in summaries if (names := each.get("Names"))}

    def inspect(self, name: str) -> Mapping[str, Any] | None:
        """The inspection of one container; None if there is none of that name or id."""
        with self.calls() as api, suppress(NotFound):
            return cast(Mapping[str, Any], api.inspect_container(name))
        return None

    def discard(self, name: str) -> None:
        """Remove a container in any state; a missing one is not an error."""
        with self.calls() as api:
            try:
                api.remove_container(name, v=True, force=True)
            except APIError as error:
                if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                    raise  # a conflict: it is being removed already

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        with self._lock:
            if self._api is not None:
                self._api.close()
            self._api = None

    def _connected(self) -> docker.APIClient:
        known = self._api
        if known is not None:
            return known
        api = docker.APIClient(version="auto", **self._options)  # asks the engine: no lock is held
        with self._lock:
            if self._api is None:
                self._api = api
                return api
            known = self._api
        api.close()
        return known

    def _remember(self, what: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        self._facts[what] = facts
        return facts
