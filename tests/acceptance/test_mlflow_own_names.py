"""Scripts whose MLflow names an experiment, or a tracking store, of their own."""

import mlflow
import pytest

from dispatcher.client.in_run import mlflow_plugin
from dispatcher.store.runs import mlflow_terms
from tests.rigs.desk import Desk

OWN_EXPERIMENT = """
import mlflow, subprocess, sys
mlflow.set_experiment("cifar")
data = mlflow.data.from_numpy(__import__("numpy").zeros(2))  # asks MLflow for tags, too
with mlflow.start_run(run_name="tuned") as run:
    mlflow.log_metric("m", 1.0)
    with mlflow.start_run(nested=True):
        mlflow.log_metric("nested", 1.0)
code = "import mlflow; mlflow.log_metric('of_a_process', 2)"
subprocess.run([sys.executable, "-c", code], check=True)
"""
OWN_STORE = """
import mlflow, os, sys
mlflow.set_tracking_uri("sqlite:///own.db")
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1.0)
    tags = mlflow.get_run(run.info.run_id).data.tags
assert not [tag for tag in tags if "dispatcher" in tag], tags
assert run.info.run_id != os.environ["AZUREML_RUN_ID"]
"""


CREDENTIALS = """
import mlflow, os, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
with mlflow.start_run():
    mlflow.log_metric("m", 1.0)
seen = []
class Other(BaseHTTPRequestHandler):
    def do_POST(self):
        seen.append(self.headers["Authorization"])
        self.send_response(403)
        self.end_headers()
server = HTTPServer(("127.0.0.1", 0), Other)
threading.Thread(target=server.serve_forever, daemon=True).start()
try:
    mlflow.MlflowClient(f"http://127.0.0.1:{server.server_port}").create_experiment("e")
except mlflow.exceptions.MlflowException:
    pass
import base64
assert seen[0] == "Basic " + base64.b64encode(b"me:pass").decode(), seen
mlflow.MlflowClient().log_metric(os.environ["AZUREML_RUN_ID"], "again", 1.0)
"""


def test_credentials_for_another_tracking_server_do_not_keep_a_run_from_logging(
    shared: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pass")
    run = shared.submit(shared.source("credentials", main=CREDENTIALS))
    run.wait_for_completion()

    assert run.get_metrics() == {"m": 1.0, "again": 1.0}


def test_a_script_that_names_an_experiment_of_its_own_logs_to_its_run(
    shared: Desk, client: mlflow.MlflowClient
) -> None:
    run = shared.submit(shared.source("cifar", main=OWN_EXPERIMENT))
    run.wait_for_completion()

    assert run.get_metrics() == {"m": 1.0, "of_a_process": 2}
    [child] = run.get_children()
    assert child.get_metrics() == {"nested": 1.0}
    tags = client.get_run(run.id).data.tags
    assert tags["mlflow.runName"] == "tuned"
    assert not [tag for tag in tags if tag.startswith("dispatcher.")]


def test_a_script_with_a_tracking_store_of_its_own_logs_there(shared: Desk) -> None:
    run = shared.submit(shared.source("own-store", main=OWN_STORE))
    run.wait_for_completion()

    assert run.get_metrics() == {}
    assert not list(run.get_children())


def test_client_and_service_have_one_name_for_the_tag_of_a_process() -> None:
    assert mlflow_plugin.PROCESS_TAG == mlflow_terms.PROCESS_TAG
