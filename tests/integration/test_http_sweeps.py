"""Sweeps over HTTP: what cannot be is refused by its field's name; the table pages."""

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.core.sweeps.sweep import SweepSpec
from dispatcher.engine import sweeper
from dispatcher.engine.sweep_driver import SweepDriver
from dispatcher.engine.sweep_state import SweepState
from dispatcher.server import wiring
from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from tests.integration.http_service import OWNER
from tests.rigs.waiting import until

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sweep(name: str, **fields: Any) -> dict[str, Any]:
    trial = {"id": f"{name}_0", "experiment": "e", "command": "true", "target": "still"}
    return {
        "id": name,
        "experiment": "e",
        "trial": trial,
        "sampling": {"name": "RANDOM", "parameter_space": {"lr": ["uniform", [0, 1]]}},
        "primary_metric": {"name": "m", "goal": "maximize"},
        "max_total_runs": 3,
        "max_concurrent_runs": 2,
        **fields,
    }


def sampling(name: str, **space: Any) -> dict[str, Any]:
    return {"sampling": {"name": name, "parameter_space": space}}


def propertied(**properties: Any) -> dict[str, Any]:
    told = sampling("RANDOM", lr=["uniform", [0, 1]])["sampling"]
    return {"sampling": {**told, "properties": properties}}


def ruled(*constraints: str) -> dict[str, Any]:
    return propertied(constraints=list(constraints))


KIND = ["choice", [["a", "b"]]]
SECOND: dict[str, Any] = {"further_metrics": [{"name": "n", "goal": "minimize"}]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (sampling("RANDOM"), "parameter_space"),
        (sampling("RANDOM", lr=["dice", [1]]), "parameter_space.lr"),
        (sampling("RANDOM", lr=["uniform", [1, 0]]), "parameter_space.lr"),
        (sampling("GRID", lr=["uniform", [0, 1]]), "parameter_space.lr"),
        (sampling("BayesianOptimization", lr=["normal", [0, 1]]), "parameter_space.lr"),
        (sampling("MAGIC", lr=["uniform", [0, 1]]), "sampling.name"),
        ({"max_total_runs": 0}, "max_total_runs"),
        ({"max_total_runs": 10**9}, "max_total_runs"),
        ({"max_concurrent_runs": 0}, "max_concurrent_runs"),
        ({"max_duration_minutes": 0}, "max_duration_minutes"),
        ({"max_duration_minutes": -1}, "max_duration_minutes"),
        ({"primary_metric": {"name": "", "goal": "maximize"}}, "primary_metric.name"),
        ({"primary_metric": {"name": "m", "goal": "up"}}, "primary_metric.goal"),
        ({"policy": {"name": "Bandit", "properties": {}}}, "slack_factor"),
        ({"policy": {"name": "Bandit", "properties": {"slack_factor": -1}}}, "slack_factor"),
        (
            {"policy": {"name": "TruncationSelection", "properties": {"truncation_percentage": 0}}},
            "truncation_percentage",
        ),
        ({"policy": {"name": "Mercy"}}, "policy"),
        (sampling("CMAES", kind=["choice", [["a", "b"]]]), "CMAES goes by numbers"),
        (sampling("RANDOM", lr=["uniform", [0, 1], {}]), "parameter_space.lr: its condition"),
        (sampling("RANDOM", lr=["uniform", [0, 1], {"kind": []}], kind=KIND), "kind no value"),
        (sampling("TPE", lr=["uniform", [0, 1], {"kind": "c"}], kind=KIND), "none of the options"),
        (sampling("TPE", a=["choice", [[1]], {"b": 1}], b=["choice", [[1]], {"a": 1}]), "circle"),
        (ruled("lr * 2"), "neither true nor false"),
        (ruled("momentum < 1"), "momentum is not a parameter; there are lr"),
        (ruled("lr < 0"), "reject all 10000 cells"),
        (ruled("1 / (lr - lr) > 0"), "reject all 10000 cells"),
        (ruled("lr < 'a'"), "constraints: \"lr < 'a'\""),
        (ruled("__import__('os').getpid() > lr"), "has no place"),
        ({**ruled("lr < 0.5"), "first": [{"lr": 0.75}]}, "first.0: the constraint 'lr < 0.5'"),
        (propertied(constraints="lr < 1"), "constraints: a list of texts"),
        (propertied(population_size=1), "properties.population_size"),
        (propertied(population_size=True), "properties.population_size"),
        (propertied(seed=[1]), "properties.seed"),
        ({"further_metrics": [{"name": "m", "goal": "minimize"}]}, "named twice"),
        ({"further_metrics": [{"name": "n"}]}, "further_metrics.0.goal"),
        (
            {"further_metrics": [{"name": f"n{k}", "goal": "minimize"} for k in range(10)]},
            "9 items",
        ),
        (
            {**SECOND, "policy": {"name": "MedianStopping"}},
            "policy: MedianStopping compares by one",
        ),
        ({**SECOND, **sampling("CMAES", lr=["uniform", [0, 1]])}, "CMAES goes by one metric"),
        (
            {**SECOND, **sampling("BayesianOptimization", lr=["uniform", [0, 1]])},
            "BayesianOptimization goes by one metric",
        ),
        ({"first": [{"lr": 2}]}, "first.0"),
        ({"first": [{"other": 1}]}, "first.0"),
        ({"resume_from": ["nobody"]}, "nobody"),
        ({"resume_from": ["nobody"] * 2}, "resume_from"),
        ({"resume_from": list("abcdef")}, "resume_from"),
        ({"colour": 1}, "colour"),
        ({"id": "x" * 215}, "214"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    api: TestClient, change: dict[str, Any], field: str
) -> None:
    answer = api.post("/sweeps", json=sweep("HD_bad", **change))
    assert answer.status_code in (404, 422), answer.text
    assert field in answer.json()["detail"]
    assert api.get("/runs/HD_bad").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"target": "moon"}, 404, "moon"),
        ({"gpus": 99}, 422, "gpus=99"),
        ({"interactive": True}, 422, "interactive"),
        ({"command": None, "script": "a.py"}, 422, "snapshot"),
        ({"snapshot": "0" * 64}, 404, "snapshot"),
    ],
)
def test_a_trial_that_cannot_run_is_refused_with_the_sweep(
    api: TestClient, change: dict[str, Any], status: int, words: str
) -> None:
    told = sweep("HD_trial")
    answer = api.post("/sweeps", json={**told, "trial": {**told["trial"], **change}})
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


numbers = st.one_of(
    st.floats(), st.integers(), st.none(), st.booleans(), st.text(max_size=3),
    st.lists(st.floats(), max_size=3),
)  # fmt: skip
kinds = st.sampled_from(["choice", "uniform", "loguniform", "qnormal", "lognormal", "randint"])


conditions = st.one_of(
    numbers,
    st.dictionaries(st.sampled_from(["x", "y", "z"]), numbers | st.lists(numbers, max_size=2)),
)


@QUICK
@given(conditions, st.lists(st.text("xyz01 <>=*/()'", max_size=12) | numbers, max_size=2))
def test_no_condition_and_no_constraint_makes_the_service_fail(
    api: TestClient, condition: Any, constraints: list[Any]
) -> None:
    import json

    told = sampling("TPE", x=["uniform", [0, 1], condition], y=["choice", [[1, 0.5, ""]]])
    told["sampling"]["properties"] = {"constraints": constraints}
    headers = {"Content-Type": "application/json", "Idempotency-Key": ""}
    answer = api.post("/sweeps", content=json.dumps(sweep("HD_odd", **told)), headers=headers)
    assert answer.status_code in (201, 404, 409, 422), answer.text


@QUICK
@given(
    st.sampled_from(["RANDOM", "GRID", "TPE", "BayesianOptimization", "QMC", "CMAES", "NSGAII"]),
    kinds | st.text(max_size=5),
    st.lists(numbers, max_size=4),
)
def test_no_space_makes_the_service_fail(
    api: TestClient, name: str, kind: str, arguments: list[Any]
) -> None:
    import json

    body = json.dumps(sweep("HD_odd", **sampling(name, x=[kind, arguments])))
    headers = {"Content-Type": "application/json", "Idempotency-Key": ""}
    answer = api.post("/sweeps", content=body, headers=headers)
    assert answer.status_code in (201, 404, 409, 422), answer.text


def test_the_same_sweep_again_is_the_same_and_another_content_is_refused(api: TestClient) -> None:
    told = sweep("HD_twice")
    assert api.post("/sweeps", json=told).status_code == 201
    assert api.post("/sweeps", json=told).status_code == 201
    answer = api.post("/sweeps", json={**told, "max_total_runs": 4})
    assert answer.status_code == 409, answer.text


def test_a_run_that_is_no_sweep_has_none_of_its_calls(api: TestClient) -> None:
    run = {"id": "plain", "experiment": "e", "interactive": True}
    api.post("/runs", json={"runs": [run]})
    for path in ("", "/trials", "/ranking"):
        assert api.get(f"/sweeps/plain{path}").status_code == 404
    for verb in ("pause", "resume", "retry"):
        assert api.post(f"/sweeps/plain/{verb}").status_code == 404
    assert api.post("/sweeps/plain/extend", json={"add": 1}).status_code == 404
    assert api.post("/sweeps/HD_none/extend", json={"add": 0}).status_code == 422


def test_an_extension_beyond_the_limit_is_refused(api: TestClient) -> None:
    api.post("/sweeps", json=sweep("HD_long"))
    answer = api.post("/sweeps/HD_long/extend", json={"add": 100_000})
    assert answer.status_code == 422
    assert "add" in answer.json()["detail"]


def test_a_bayesian_sweep_goes_on_only_in_the_same_space(
    api: TestClient, application: Application
) -> None:
    space = {"lr": ["uniform", [0, 1]]}
    api.post("/sweeps", json=sweep("HD_old", **sampling("BayesianOptimization", **space)))
    api.post("/runs/HD_old/cancel")
    other = sampling("BayesianOptimization", lr=["uniform", [0, 2]])
    answer = api.post("/sweeps", json=sweep("HD_new", **other, resume_from=["HD_old"]))
    assert (answer.status_code, "parameter_space" in answer.json()["detail"]) == (422, True)
    metric = {"primary_metric": {"name": "other", "goal": "maximize"}}
    answer = api.post("/sweeps", json=sweep("HD_new", **metric, resume_from=["HD_old"]))
    assert (answer.status_code, "'other'" in answer.json()["detail"]) == (422, True)
    same = sampling("BayesianOptimization", **space)
    answer = api.post("/sweeps", json=sweep("HD_new", **same, resume_from=["HD_old"]))
    assert answer.status_code == 201, answer.text


def test_nan_and_text_as_a_metric_are_no_best(api: TestClient, application: Application) -> None:
    from dispatcher.store.metrics.contract import Point

    api.post("/sweeps", json=sweep("HD_nan", max_total_runs=2))
    until(lambda: len(api.get("/sweeps/HD_nan/trials").json()["trials"]) == 2, "two are made")
    values: list[Any] = [math.nan, math.inf, "text", True, None]
    points = [Point("HD_nan_0", 1, "m", "scalar", value) for value in values]
    points.append(Point("HD_nan_1", 1, "m", "scalar", -3.0))
    application.store.write(lambda tx: tx.metrics.add_points(points))
    rows = api.get("/sweeps/HD_nan/ranking").json()["trials"]
    assert [(row["run_id"], row["best_primary_metric"]) for row in rows] == [
        ("HD_nan_1", -3.0),
        ("HD_nan_0", None),
    ]


def test_of_several_metrics_the_best_is_a_front(api: TestClient, application: Application) -> None:
    from dispatcher.store.metrics.contract import Point

    told = sweep("HD_front", max_total_runs=5, max_concurrent_runs=5, **SECOND)
    assert api.post("/sweeps", json=told).status_code == 201
    until(lambda: len(api.get("/sweeps/HD_front/trials").json()["trials"]) == 5, "five are made")
    values = [("m", [9.0, 1.0], "n", [5.0]), ("m", [2.0], "n", [6.0]), ("m", [0.5], "n", [5.5]),
              ("m", [3.0], "n", [1.0, math.nan]), ("m", [7.0], "n", [])]  # fmt: skip
    points = [
        Point(f"HD_front_{number}", 1, name, "scalar", value)
        for number, (m, ms, n, ns) in enumerate(values)
        for name, each in ((m, ms), (n, ns))
        for value in each
    ]
    application.store.write(lambda tx: tx.metrics.add_points(points))
    rows = api.get("/sweeps/HD_front/front").json()["trials"]
    assert [(row["run_id"], row["metrics"]) for row in rows] == [
        ("HD_front_1", {"m": 2.0, "n": 6.0}),
        ("HD_front_0", {"m": 1.0, "n": 5.0}),
    ]
    ranking = api.get("/sweeps/HD_front/ranking?top=4").json()["trials"]
    assert [row["best_primary_metric"] for row in ranking] == [2.0, 1.0, 0.5, None]
    plain = {"primary_metric": told["primary_metric"], "resume_from": ["HD_front"]}
    api.post("/runs/HD_front/cancel")
    answer = api.post("/sweeps", json=sweep("HD_other", **plain))
    assert (answer.status_code, "'n' (minimize)" in answer.json()["detail"]) == (422, True)


def test_a_space_that_has_changed_is_gone_on_in_with_what_fits(
    api: TestClient, application: Application
) -> None:
    from dispatcher.store.metrics.contract import Point

    api.post("/sweeps", json=sweep("HD_wide", max_total_runs=3, max_concurrent_runs=3))
    until(lambda: len(api.get("/sweeps/HD_wide/trials").json()["trials"]) == 3, "three are made")
    points = [Point(f"HD_wide_{number}", 1, "m", "scalar", 1.0) for number in range(3)]
    application.store.write(lambda tx: tx.metrics.add_points(points))
    api.post("/runs/HD_wide/cancel")
    rows = api.get("/sweeps/HD_wide/trials").json()["trials"]
    values = sorted(float(row["hyperparameters"].split(":")[1].strip("} ")) for row in rows)
    half = ruled(f"lr <= {values[1]}")
    assert (
        api.post("/sweeps", json=sweep("HD_half", **half, resume_from=["HD_wide"])).status_code
        == 201
    )
    spec = application.services.sweeps.get("HD_half").spec
    suggester = application.store.read(lambda tx: application.services.sweeps.suggester(tx, spec))
    assert sorted(known.values["lr"] for known in suggester._warm) == values[:2]


def test_metrics_that_come_by_mlflow_wake_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "LOOK_SECONDS", 3600.0)  # only notifications wake it
    made = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    made.services.catalog.attach("box", {"kind": "local", "cpus": 1})
    told = sweep("HD_woken", policy={"name": "Bandit", "properties": {"slack_amount": 1}})
    told["trial"] |= {"target": "box", "command": "sleep 300; true", "cpus": 0}
    app = create_app(made.services, max_body=4 << 20)
    try:
        with TestClient(app, base_url="http://test/api/v1") as client:
            client.headers["Authorization"] = f"Bearer {OWNER}"
            client.post("/sweeps", json=told).raise_for_status()
            until(lambda: len(_trials(client, "HD_woken")) == 2, "two are made")
            for run_id, value in (("HD_woken_0", 9.0), ("HD_woken_1", 1.0)):
                metric = {"run_id": run_id, "key": "m", "value": value, "timestamp": 1, "step": 0}
                url = "http://test/api/2.0/mlflow/runs/log-metric"
                client.post(url, json=metric).raise_for_status()
            until(lambda: _trials(client, "HD_woken")[1]["status"] == "Canceled", "it is ended")
            assert client.get("/runs/HD_woken_1").json()["tags"]["_aml_system_ended_by"] == (
                "Bandit at interval 1"
            )
    finally:
        made.services.status.cancel("HD_woken")
        trials = made.services.sweeps.children("HD_woken")
        until(lambda: all(_is_over(made, run.id) for run in trials), "nothing runs any more")
        made.close()


def test_when_the_time_is_over_nothing_starts_and_what_runs_is_canceled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0.0]
    clock = SimpleNamespace(time=lambda: time.time() + passed[0], monotonic=time.monotonic)
    monkeypatch.setattr(wiring, "time", clock)
    made = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    made.services.catalog.attach("box", {"kind": "local", "cpus": 8})
    told = sweep("HD_timed", max_total_runs=10_000, max_concurrent_runs=8, max_duration_minutes=60)
    told |= sampling("RANDOM", n=["randint", [1 << 40]])
    # Every fourth trial stays; the others come and go.
    told["trial"] |= {"target": "box", "command": "sh -c '[ $(($2 % 4)) -gt 0 ] || sleep 300' x"}
    try:
        made.services.sweeps.submit(SweepSpec.model_validate(told), SERVICE_GRANT)
        until(lambda: _count(made, "HD_timed", "Completed") >= 10, "some have come and gone")
        passed[0] = 3600.0
        until(lambda: _is_over(made, "HD_timed"), "the sweep is over")
        trials = made.services.sweeps.children("HD_timed")
        assert {run.status for run in trials} == {"Completed", "Canceled"}
        [sweep_run] = made.store.read(lambda tx: tx.runs.get(["HD_timed"])).values()
        assert sweep_run.status == "Completed"
        # But for the one step that the clock may have been put forward in.
        late = [run for run in trials if run.created_at >= sweep_run.created_at + 3600]
        assert len(late) <= 8
    finally:
        made.services.status.cancel("HD_timed")
        trials = made.services.sweeps.children("HD_timed")
        until(lambda: all(_is_over(made, run.id) for run in trials), "nothing runs any more")
        made.close()


def test_a_sweep_that_is_extended_at_the_moment_of_its_end_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    end, ends = SweepDriver._end, []

    def extended_first(self: SweepDriver, state: SweepState) -> None:
        ends.append(state.run.id)
        if len(ends) == 1:
            made.services.sweeps.extend("HD_longer", 2)
        end(self, state)

    monkeypatch.setattr(SweepDriver, "_end", extended_first)
    made.services.catalog.attach("box", {"kind": "local", "cpus": 1})
    told = sweep("HD_longer", max_total_runs=1)
    told["trial"] |= {"target": "box"}
    try:
        made.services.sweeps.submit(SweepSpec.model_validate(told), SERVICE_GRANT)
        until(lambda: _is_over(made, "HD_longer"), "the sweep is over")
        assert _count(made, "HD_longer", "Completed") == 3
        assert len(ends) == 2
    finally:
        made.close()


def _count(made: Application, sweep_id: str, status: str) -> int:
    counts = made.store.read(lambda tx: tx.runs.children_by_status([sweep_id]))
    return dict(counts.get(sweep_id, {})).get(status, 0)


def _is_over(made: Application, run_id: str) -> bool:
    return made.store.read(lambda tx: tx.runs.get([run_id]))[run_id].terminal


def _trials(client: TestClient, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get(f"/sweeps/{name}/trials").json()["trials"]
    return rows
