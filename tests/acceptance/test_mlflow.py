"""The real MLflow client of the current release, from inside runs and from outside."""

import json
import math
import os
import uuid
from pathlib import Path
from typing import Any

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from tests.rigs.desk import Desk

TRAIN = """
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

mlflow.sklearn.autolog()
X, y = load_iris(return_X_y=True, as_frame=True)
with mlflow.start_run():
    model = LogisticRegression(max_iter=200, C=0.5).fit(X, y)
    mlflow.log_metric("mine", model.score(X, y), step=7)
"""


@pytest.fixture
def experiment_id(client: mlflow.MlflowClient) -> str:
    made: str = client.create_experiment(f"of test/{uuid.uuid4().hex}")
    return made


def _submit(desk: Desk, name: str, script: str, *arguments: Any) -> Any:
    run = desk.submit(desk.source(name, main=script), *arguments)
    run.wait_for_completion()
    return run


def test_autologged_training_is_that_runs_metrics_params_and_artifacts(
    shared: Desk, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    run = _submit(shared, "train", TRAIN)
    assert run.get_status() == "Completed"

    metrics = run.get_metrics()
    assert metrics["training_accuracy_score"] > 0.9
    assert metrics["mine"] == metrics["training_score"]
    names = run.get_file_names()
    assert {"model/MLmodel", "model/model.pkl", "estimator.html"} <= set(names)
    run.download_files(prefix="model", output_directory=str(tmp_path))
    assert "sklearn" in (tmp_path / "model" / "MLmodel").read_text()

    seen = client.get_run(run.id)
    assert seen.info.status == "FINISHED"
    assert seen.data.params["C"] == "0.5"
    assert seen.data.metrics == {key: metrics[key] for key in seen.data.metrics}
    assert seen.inputs.dataset_inputs[0].dataset.name == "dataset"
    found = mlflow.search_runs(
        search_all_experiments=True, filter_string="params.C = '0.5' AND metrics.mine > 0.9"
    )
    assert run.id in list(found["run_id"])
    loaded = mlflow.sklearn.load_model(f"runs:/{run.id}/model")
    assert loaded.C == 0.5
    assert [f.path for f in client.list_artifacts(run.id, "model")].count("model/MLmodel") == 1
    [model] = [
        model
        for model in client.search_logged_models(experiment_ids=[seen.info.experiment_id])
        if model.source_run_id == run.id
    ]
    assert seen.outputs.model_outputs[0].model_id == model.model_id
    assert model.status.value == "READY"


def test_end_run_inside_a_run_does_not_end_it_before_its_process(
    shared: Desk, client: mlflow.MlflowClient
) -> None:
    script = """
import mlflow, sys
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1)
assert mlflow.MlflowClient().get_run(run.info.run_id).info.status == "RUNNING"
with mlflow.start_run() as other:
    mlflow.log_param("p", "of the second")
print(other.info.run_id)
sys.exit(3)
"""
    run = shared.submit(shared.source("ends", main=script))
    run.wait_for_completion(raise_on_error=False)
    assert run.get_status() == "Failed"
    assert client.get_run(run.id).info.status == "FAILED"
    [child] = run.get_children()
    assert client.get_run(child.id).data.params == {"p": "of the second"}
    assert child.get_status() == "Completed"


def test_both_sides_log_to_the_same_run(shared: Desk, client: mlflow.MlflowClient) -> None:
    script = """
import mlflow
from azureml.core import Run
run = Run.get_context()
run.log("theirs", 0.5)
run.tag("of v1", "yes")
run.flush()
mlflow.log_metric("ours", 2, step=1)
mlflow.log_metric("ours", 3, step=2)
mlflow.set_tag("of mlflow", "yes")
assert set(mlflow.last_active_run().data.metrics) >= {"theirs"}
assert run.get_metrics()["ours"] == [2.0, 3.0]
"""
    run = _submit(shared, "both", script)
    assert run.get_metrics() == {"theirs": 0.5, "ours": [2.0, 3.0]}
    assert run.get_tags()["of mlflow"] == "yes"
    seen = client.get_run(run.id)
    assert seen.data.metrics == {"theirs": 0.5, "ours": 3.0}
    assert seen.data.tags["of v1"] == "yes"


def test_a_run_reads_its_workspace_and_writes_its_own_tree_alone(
    shared: Desk, client: mlflow.MlflowClient, experiment_id: str
) -> None:
    other = client.create_run(experiment_id)
    script = """
import sys, mlflow
client = mlflow.MlflowClient()
for call in (
    lambda: client.log_metric(sys.argv[1], "m", 1),
    lambda: client.set_tag(sys.argv[1], "a", "b"),
    lambda: client.create_run(sys.argv[2], tags={"mlflow.parentRunId": sys.argv[1]}),
    lambda: client.set_experiment_tag(sys.argv[2], "a", "b"),
    lambda: client.delete_run(sys.argv[1]),
):
    try:
        call()
    except Exception as error:
        assert "own tree" in str(error) or "may not change experiments" in str(error), error
    else:
        raise SystemExit("it was let in")
assert client.get_run(sys.argv[1]).info.run_id == sys.argv[1]
assert client.list_artifacts(sys.argv[1]) == []
assert sys.argv[1] in {run.info.run_id for run in client.search_runs([sys.argv[2]])}
with mlflow.start_run():
    with mlflow.start_run(nested=True):
        mlflow.log_metric("below", 1)
    found = mlflow.search_runs(filter_string="metrics.below = 1")
assert len(found) == 1, found
"""
    run = _submit(shared, "scope", script, other.info.run_id, experiment_id)
    assert run.get_status() == "Completed"
    assert client.get_run(other.info.run_id).data.metrics == {}


def test_who_names_another_server_is_left_alone(
    shared: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)  # its runs would inherit it
    script = "import os; print([k for k in os.environ if k.startswith('MLFLOW_')])"
    config = shared.config(shared.source("elsewhere", main=script))
    config.run_config.environment_variables = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    run = shared.experiment.submit(config)
    run.wait_for_completion()
    assert (
        "['MLFLOW_TRACKING_URI']"
        in run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
    )


def test_a_run_started_at_the_desk_is_an_interactive_run(
    shared: Desk, client: mlflow.MlflowClient
) -> None:
    mlflow.set_experiment("Desk work / 1")
    with mlflow.start_run(run_name="by hand", tags={"a": "b"}) as active:
        mlflow.log_params({"p": 1, "q": "x"})
        mlflow.log_text("hello", "notes/one.txt")
        mlflow.log_text("hello again", "notes/one.txt")
        assert shared.workspace.get_run(active.info.run_id).get_status() == "Running"
        with mlflow.start_run(nested=True):
            mlflow.log_metric("m", 1)
    run = shared.workspace.get_run(active.info.run_id)
    assert (run.get_status(), run.display_name) == ("Completed", "by hand")
    assert run.get_tags()["a"] == "b"
    assert run.get_file_names() == ["notes/one.txt"]
    assert mlflow.artifacts.load_text(f"runs:/{run.id}/notes/one.txt") == "hello again"
    assert len(list(run.get_children())) == 1
    with pytest.raises(RuntimeError), mlflow.start_run() as failing:
        raise RuntimeError("no")
    assert shared.workspace.get_run(failing.info.run_id).get_status() == "Failed"


_VALUE = st.floats(allow_nan=True, allow_infinity=True)
_KEY = st.from_regex(r"\A[\w][\w. :-]{0,30}\w\Z", fullmatch=True).filter(
    lambda text: ".." not in text and "//" not in text
)
_POINT = st.tuples(_VALUE, st.integers(0, 2 * 10**12), st.integers(-(2**63), 2**63 - 1))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    metrics=st.dictionaries(_KEY, st.lists(_POINT, min_size=1, max_size=5), max_size=5),
    params=st.dictionaries(_KEY, st.text(st.characters(codec="utf-8"), max_size=40), max_size=5),
    tags=st.dictionaries(_KEY, st.text(st.characters(codec="utf-8"), max_size=40), max_size=5),
)
def test_history_search_and_batches_agree_with_what_was_logged(
    client: mlflow.MlflowClient,
    metrics: dict[str, list[tuple[float, int, int]]],
    params: dict[str, str],
    tags: dict[str, str],
) -> None:
    if any("\0" in text for text in (*params.values(), *tags.values())):
        return
    run_id = client.create_run("0").info.run_id
    client.log_batch(
        run_id,
        [Metric(key, v, t, s) for key, points in metrics.items() for v, t, s in points],
        [Param(key, value) for key, value in params.items()],
        [RunTag(key, value) for key, value in tags.items()],
    )
    [seen] = client.search_runs(["0"], filter_string=f"run_id = '{run_id}'")
    assert {key: seen.data.params[key] for key in params} == params
    assert {key: seen.data.tags[key] for key in tags if key != "mlflow.runName"} == {
        key: value for key, value in tags.items() if key != "mlflow.runName"
    }
    for key, points in metrics.items():
        found = [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run_id, key)]
        assert [_same(p) for p in found] == [_same(p) for p in points]
        newest = max(points, key=lambda p: (p[2], p[1], -math.inf if math.isnan(p[0]) else p[0]))
        assert _number(seen.data.metrics[key]) == _number(newest[0])


def _same(point: tuple[float, int, int]) -> tuple[str, int, int]:
    return _number(point[0]), point[1], point[2]


def _number(value: float) -> str:
    return repr(value + 0.0)  # so that NaN equals NaN


def test_runs_are_found_sorted_and_paged(client: mlflow.MlflowClient, experiment_id: str) -> None:
    made = []
    for k in range(7):
        run_id = client.create_run(
            experiment_id, run_name=f"run {k}", tags={"k": str(k % 2)}
        ).info.run_id
        client.log_batch(run_id, [Metric("m m", [3, 1, math.nan, 2, 5, 4, -math.inf][k], 1, 0)])
        made.append(run_id)
    client.log_param(made[2], "only", "here")

    def found(text: str = "", **options: Any) -> list[int]:
        runs = client.search_runs([experiment_id], text, **options)
        return [made.index(run.info.run_id) for run in runs]

    assert found() == [6, 5, 4, 3, 2, 1, 0]
    assert found("metrics.`m m` > 2 AND tags.k = '1'") == [5]
    assert found('metrics."m m" != 2 and attributes.run_name LIKE "run _"') == [6, 5, 4, 2, 1, 0]
    assert found(order_by=["metrics.`m m` ASC"]) == [6, 1, 3, 0, 5, 4, 2]
    assert found(order_by=["metrics.`m m` DESC"]) == [4, 5, 0, 3, 1, 6, 2]
    assert found(order_by=["tags.k DESC", "start_time ASC"]) == [1, 3, 5, 0, 2, 4, 6]
    assert found("params.only IS NOT NULL") == [2]
    client.delete_run(made[3])
    assert found() == [6, 5, 4, 2, 1, 0]
    assert found(run_view_type=ViewType.DELETED_ONLY) == [3]
    with pytest.raises(MlflowException, match="deleted"):
        client.log_metric(made[3], "m", 1)
    client.restore_run(made[3])
    page = client.search_runs([experiment_id], max_results=3)
    pages = [page]
    while pages[-1].token:
        pages.append(client.search_runs([experiment_id], max_results=3, page_token=pages[-1].token))
    assert [len(each) for each in pages] == [3, 3, 1]
    assert [made.index(r.info.run_id) for each in pages for r in each] == [6, 5, 4, 3, 2, 1, 0]


def test_experiments_are_made_found_renamed_deleted_and_restored(
    client: mlflow.MlflowClient, shared: Desk
) -> None:
    plain = client.create_experiment("plain_name", tags={"a": "1"})
    assert client.get_experiment_by_name("plain_name").experiment_id == plain
    assert "plain_name" in shared.workspace.experiments
    odd = client.create_experiment("Ünï / name: 1")
    client.set_experiment_tag(odd, "k", "v")
    client.rename_experiment(odd, "renamed")
    assert client.get_experiment_by_name("Ünï / name: 1") is None
    assert client.get_experiment_by_name("renamed").tags == {"k": "v"}
    with pytest.raises(MlflowException) as refused:
        client.create_experiment("renamed")
    assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"
    found = client.search_experiments(filter_string="tags.k = 'v' AND name LIKE 'ren%'")
    assert [each.experiment_id for each in found] == [odd]
    client.delete_experiment(odd)
    assert client.get_experiment(odd).lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="deleted"):
        client.create_run(odd)
    client.restore_experiment(odd)
    client.delete_experiment_tag(odd, "k")
    assert client.get_experiment(odd).tags == {}


def test_errors_are_mlflows(client: mlflow.MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "p", "1")
    client.log_param(run_id, "p", "1")
    cases: list[tuple[str, Any]] = [
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.get_run("nobody")),
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.get_experiment("12345")),
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.log_metric("nobody", "m", 1)),
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.get_logged_model("m-none")),
        ("INVALID_PARAMETER_VALUE", lambda: client.search_runs(["0"], "nonsense")),
        ("INVALID_PARAMETER_VALUE", lambda: client.search_runs(["0"], page_token="x")),
        ("INVALID_PARAMETER_VALUE", lambda: client.delete_tag(run_id, "none")),
        ("INVALID_PARAMETER_VALUE", lambda: client.log_batch(run_id, params=[Param("p", "2")])),
        ("INVALID_PARAMETER_VALUE", lambda: client.set_tag(run_id, "k" * 251, "v")),
        ("ENDPOINT_NOT_FOUND", lambda: client.create_registered_model("m")),
    ]
    for code, call in cases:
        with pytest.raises(MlflowException) as refused:
            call()
        assert refused.value.error_code == code
    assert client.get_run(run_id).data.params == {"p": "1"}


def test_a_large_file_goes_up_and_comes_down_as_it_was(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    run_id = client.create_run("0").info.run_id
    content = os.urandom(1 << 20) * 150
    (tmp_path / "large.bin").write_bytes(content)
    client.log_artifact(run_id, str(tmp_path / "large.bin"), "in/a folder")
    [listed] = client.list_artifacts(run_id, "in/a folder")
    assert (listed.path, listed.file_size) == ("in/a folder/large.bin", len(content))
    there = client.download_artifacts(run_id, "in/a folder/large.bin", str(tmp_path / "down"))
    assert Path(there).read_bytes() == content


def test_tables_figures_and_models_from_code_go_through(
    client: mlflow.MlflowClient, shared: Desk
) -> None:
    import pandas as pd

    class Doubled(mlflow.pyfunc.PythonModel):  # type: ignore[misc, unused-ignore]
        def predict(self, context: Any, model_input: list[float]) -> list[float]:
            return [2 * x for x in model_input]

    with mlflow.start_run() as run:
        for k in range(2):  # it reads the table, adds to it, and writes it anew
            mlflow.log_table({"k": [k], "v": ["x"]}, "table.json")
        mlflow.log_dict({"a": 1}, "d.json")
        made = [mlflow.pyfunc.log_model(name="m", python_model=Doubled()) for _ in range(2)]
        frame = pd.DataFrame({"x": [1.0, 2.0]})
        mlflow.log_input(mlflow.data.from_pandas(frame, name="frame"), context="eval")
    assert list(mlflow.load_table("table.json", run_ids=[run.info.run_id])["k"]) == [0, 1]
    assert mlflow.pyfunc.load_model(made[1].model_uri).predict([1.5]) == [3.0]
    names = shared.workspace.get_run(run.info.run_id).get_file_names()
    assert sum(name.endswith("/MLmodel") for name in names) == 2
    found = mlflow.search_runs(search_all_experiments=True, filter_string="dataset.name = 'frame'")
    assert list(found["run_id"]) == [run.info.run_id]
    models = client.search_logged_models([run.info.experiment_id], filter_string="name = 'm'")
    assert {model.model_id for model in models} == {each.model_id for each in made}
    client.set_logged_model_tags(made[0].model_id, {"t": "1"})
    client.delete_logged_model_tag(made[0].model_id, "t")
    client.delete_logged_model(made[0].model_id)
    assert len(client.search_logged_models([run.info.experiment_id])) >= 1
    assert json.loads(json.dumps(client.get_logged_model(made[1].model_id).tags)) is not None
