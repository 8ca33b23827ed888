"""Every route and every MLflow call, for every kind of caller: exactly what the table says.

The cases are generated: the routes come from the application, and what each caller must be answered
follows from the declared action, `permissions.TABLE` and `permissions.covers`. Each case has a
family of runs of its own, so that no call spoils another one's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute

from dispatcher.access import permissions, principals
from dispatcher.access.permissions import Grant, Permission, Scope, covers, scope_of
from dispatcher.access.principals import Kind, Principal, Role
from dispatcher.core.runs.spec import RunSpec
from dispatcher.server.app import create_app
from dispatcher.server.guard import GuardedRoute
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from dispatcher.services.mlflow.models import NewModel
from dispatcher.services.snapshots import Manifest
from tests.integration.http_service import MIB, OWNER, frame, line, spec

HOST, OTHER_HOST = "still", "other"
ADA = Principal(Kind.USER, "ada", Role.CONTRIBUTOR)
BOB = Principal(Kind.USER, "bob", Role.CONTRIBUTOR)
REPORT = Principal(Kind.SERVICE_ACCOUNT, "report", Role.READER)
REFUSED = (401, 403)
HERE = "http://127.0.0.1"  # the studio is for this machine
CALLERS = (
    *("nobody", "reader", "contributor", "owner", "own run", "run above", "run below"),
    *("sibling run", "run of another user", "agent of the host", "agent of another host"),
)


@dataclass(frozen=True)
class Family:
    """The run that a call is about, and those around it."""

    mine: str
    top: str
    below: str
    sibling: str
    stranger: str
    snapshot: str
    model: str


Body = Callable[[Family], dict[str, Any]]


def _of_run(**fields: Any) -> Body:
    return lambda family: {"json": {"run_id": family.mine, **fields}}


def _query(**fields: Any) -> Body:
    return lambda family: {"params": {"run_id": family.mine, **fields}}


def _sweep(family: Family) -> dict[str, Any]:
    trial = {"id": "t", "experiment": "e", "command": "true", "target": HOST}
    space = {"name": "RANDOM", "parameter_space": {"lr": ["uniform", [0, 1]]}}
    metric = {"name": "m", "goal": "maximize"}
    sweep = {"id": f"{family.mine}-sweep", "experiment": "e", "parent_id": family.mine}
    limits = {"max_total_runs": 1, "max_concurrent_runs": 1}
    return {
        "json": {**sweep, "trial": trial, "sampling": space, "primary_metric": metric, **limits}
    }


# What names the run of a call, where its path does not.
BODIES: dict[str, Body] = {
    "submit_runs": lambda f: {"json": {"runs": [spec(f"{f.mine}-new", parent_id=f.mine)]}},
    "submit_sweep": _sweep,
    "wait_for_runs": lambda f: {"json": {"ids": [f.mine]}},
    "take_heartbeats": lambda f: {"json": {"ids": [f.mine]}},
    "take_spool": lambda f: {"content": frame(f.mine, line("m", 1))},
    "create_run": lambda f: {
        "json": {
            "experiment_id": "0",
            "tags": [{"key": "mlflow.parentRunId", "value": f.mine}],
        }
    },
    "get_run": _query(),
    "get_history": _query(metric_key="m"),
    "get_history_bulk": lambda f: {"params": {"run_ids": f.mine, "metric_key": "m"}},
    "list_artifacts": _query(),
    "list_files": lambda f: {"params": {"path": f"0/{f.mine}/artifacts"}},
    "update_run": _of_run(run_name="n"),
    "delete_run": _of_run(),
    "restore_run": _of_run(),
    "log_batch": _of_run(),
    "log_metric": _of_run(key="m", value=1, timestamp=1),
    "log_param": _of_run(key="p", value="v"),
    "set_tag": _of_run(key="t", value="v"),
    "delete_tag": _of_run(key="mlflow.runName"),
    "log_inputs": _of_run(),
    "log_outputs": _of_run(),
    "log_model": _of_run(model_json="{}"),
    "finalize_model": lambda f: {"json": {"model_id": f.model, "status": "LOGGED_MODEL_READY"}},
    "create_model": lambda f: {"json": {"source_run_id": f.mine}},
}
# No run has to do with these, or the parts of a path say which: any body will do.
WITHOUT_A_BODY = frozenset({"upload_file", "keep_inheritance"})


def _routes(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, GuardedRoute]]:
    """The routes with their whole paths."""
    for route in routes:
        context = getattr(route, "include_context", None)
        if context is not None:
            yield from _routes(context.included_router.routes, prefix + context.prefix)
        elif isinstance(route, GuardedRoute):
            yield prefix + route.path, route


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("table"))
    application = build(settings, "http://127.0.0.1:1", OWNER)
    application.engine.stop()
    application.store.write(
        lambda tx: [
            tx.registry.put_target(name, {"kind": "local", "name": name, "accepts": "any-run"})
            for name in (HOST, OTHER_HOST)
        ]
    )
    application.live_targets.changed()
    yield application
    application.close()


async def _none() -> AsyncIterator[bytes]:
    """A stream without events."""
    for event in ():
        yield event


class Table:
    """Asks the service, and the table, about one route."""

    def __init__(self, application: Application, api: TestClient) -> None:
        self._house, self._api, self._numbers = application, api, count()
        self._tokens = {
            person.name: application.services.access.create(
                person.kind, person.name, person.role or Role.READER, None, self._grant()
            )[1]
            for person in (ADA, REPORT)
        }

    def answered(self, path: str, route: GuardedRoute, caller: str) -> tuple[int, Any]:
        """The status of the call, and what the table says of it."""
        family = self._family()
        principal, token = self._caller(caller, family)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        name = route.endpoint.__name__
        more = BODIES[name](family) if name in BODIES and not self._names_run(path) else {}
        [method] = route.methods - {"HEAD"}
        if not more and method != "GET":
            more = {"json": {}}
        url = HERE + self._filled(path, family)
        answer = self._api.request(method, url, headers=headers, **more)
        return answer.status_code, self._expected(route, principal, family)

    def _expected(
        self, route: GuardedRoute, principal: Principal | None, family: Family
    ) -> int | None:
        """The status of the refusal; None if the call must not be refused."""
        action = route.declaration.action
        if action is None:
            return None
        if principal is None:
            return 401
        scope = scope_of(principal, action)
        run = self._house.services.status.get(family.mine)
        if scope is Scope.NONE or (scope is not Scope.ANY and self._has_run(route)
                                   and not covers(scope, principal, run)):  # fmt: skip
            return 403
        return None

    def _has_run(self, route: GuardedRoute) -> bool:
        """Whether a call is about a run, or about something of a run."""
        named = {"run_id", "snapshot_id", "model_id"} & set(route.param_convertors)
        name = route.endpoint.__name__
        return bool(named) or name in BODIES or "path" in route.param_convertors

    @staticmethod
    def _names_run(path: str) -> bool:
        return "{run_id}" in path

    @staticmethod
    def _filled(path: str, family: Family) -> str:
        parts = {
            "{run_id}": family.mine,
            "{snapshot_id}": family.snapshot,
            "{model_id}": family.model,
            "{path:path}": f"0/{family.mine}/artifacts/f",
            "{name:path}": "f",
            "{name}": "thing",
            "{sha256}": "0" * 64,
            "{version}": "1",
            "{token_id}": "none",
            "{key}": "k",
            "{step}": "create",
        }
        for part, value in parts.items():
            path = path.replace(part, value)
        assert "{" not in path, path
        return path

    def _caller(self, caller: str, family: Family) -> tuple[Principal | None, str | None]:
        access = self._house.services.access
        people = {"owner": (access.owner, OWNER), "contributor": (ADA, self._tokens["ada"]),
                  "reader": (REPORT, self._tokens["report"])}  # fmt: skip
        if caller == "nobody":
            return None, None
        if caller in people:
            return people[caller]
        if caller.startswith("agent"):
            host = HOST if caller == "agent of the host" else OTHER_HOST
            return principals.agent(host), access.agent_token(host)
        runs = {"own run": family.mine, "run above": family.top, "run below": family.below,
                "sibling run": family.sibling, "run of another user": family.stranger}  # fmt: skip
        token = access.run_token(runs[caller], 1)
        return access.identify(token), token

    def _family(self) -> Family:
        services, n = self._house.services, next(self._numbers)
        names = [f"{name}-{n}" for name in ("mine", "top", "below", "sibling", "stranger")]
        mine, top, below, sibling, stranger = names
        snapshot, _ = services.snapshots.begin(Manifest(files=()))
        tree = [
            RunSpec(**spec(top, target=HOST)),
            RunSpec(**spec(mine, parent_id=top, target=HOST, snapshot=snapshot)),
            RunSpec(**spec(sibling, parent_id=top, target=HOST)),
            RunSpec(**spec(below, parent_id=mine, target=HOST)),
        ]
        for each in tree:
            services.submission.submit([each], self._grant(ADA))
        services.submission.submit([RunSpec(**spec(stranger, target=HOST))], self._grant(BOB))
        model = services.mlflow.models.create(
            permissions.grant(services.access.owner, Permission.CHANGE_RUNS),
            NewModel(None, mine, None, {}, {}),
        )
        return Family(mine, top, below, sibling, stranger, snapshot, model.id)

    def _grant(self, person: Principal | None = None) -> Grant:
        return Grant(person or self._house.services.access.owner, Permission.SUBMIT_RUNS, Scope.ANY)


@pytest.fixture(scope="module")
def table(application: Application) -> Iterator[tuple[Table, dict[str, tuple[str, GuardedRoute]]]]:
    app = create_app(application.services, max_body=MIB)
    routes = {
        f"{'/'.join(sorted(route.methods))} {path}": (path, route)
        for path, route in _routes(app.routes)
    }
    with (
        TestClient(
            app, base_url=HERE, client=("127.0.0.1", 5000), raise_server_exceptions=False
        ) as api,
        pytest.MonkeyPatch.context() as patch,
    ):
        # The stream of events does not end by itself, and the test client reads answers whole.
        patch.setattr(application.services.events, "read", lambda *_position, **_filter: _none())
        yield Table(application, api), routes


@pytest.mark.parametrize("caller", CALLERS)
def test_every_call_is_answered_as_the_table_says(
    table: tuple[Table, dict[str, tuple[str, GuardedRoute]]], caller: str
) -> None:
    asked, routes = table
    assert len(routes) > 85
    wrong = []
    for name, (path, route) in routes.items():
        status, expected = asked.answered(path, route, caller)
        is_right = status == expected if expected else status not in REFUSED and status < 500
        if not is_right and not (status == 501 and "mlflow-artifacts" in path):
            wrong.append(f"{name}: {status}, and the table says {expected or 'allowed'}")
    assert wrong == []


def test_no_call_reads_or_writes_the_store_on_the_thread_of_the_event_loop(
    table: tuple[Table, dict[str, tuple[str, GuardedRoute]]],
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocking: list[str] = []
    now = ""

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with suppress(RuntimeError):  # raised where no loop runs in this thread
                asyncio.get_running_loop()
                blocking.append(now)
            return original(*arguments)

        return call

    for verb in ("read", "write"):
        monkeypatch.setattr(application.store, verb, watched(getattr(application.store, verb)))
    asked, routes = table
    for caller in ("owner", "own run", "agent of the host"):
        for name, (path, route) in routes.items():
            now = f"{name} as {caller}"
            asked.answered(path, route, caller)
    assert blocking == []


def test_each_call_that_names_its_run_in_its_body_is_tried_with_a_run(
    table: tuple[Table, dict[str, tuple[str, GuardedRoute]]],
) -> None:
    """A call of a narrow scope whose run is not in its path would else be tried with none."""
    _, routes = table
    narrow = {action for action, row in permissions.TABLE.items()
              if row[Kind.RUN] in (Scope.OWN_TREE, Scope.OWN_RUN)}  # fmt: skip
    names = {
        route.endpoint.__name__
        for path, route in routes.values()
        if route.declaration.action in narrow
        and not {"run_id", "model_id", "path"} & set(route.param_convertors)
    }
    assert names <= BODIES.keys() | WITHOUT_A_BODY, names - BODIES.keys()
