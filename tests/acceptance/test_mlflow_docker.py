"""In a container without a network, MLflow's address of the service leads to it."""

import pytest

from tests.rigs.desk import Desk

# What the client does, in what an image without it has; twenty calls over one connection.
SCRIPT = """
import http.client, json, os
wire = http.client.HTTPConnection(os.environ["MLFLOW_TRACKING_URI"].partition("//")[2])
run_id, token = os.environ["MLFLOW_RUN_ID"], os.environ["MLFLOW_TRACKING_TOKEN"]
for step in range(20):
    point = {"run_id": run_id, "key": "m", "value": step, "timestamp": 1, "step": step}
    wire.request("POST", "/api/2.0/mlflow/runs/log-metric", json.dumps(point), {
        "Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    answer = wire.getresponse()
    assert (answer.status, answer.read()) == (200, b"{}")
wire.close()
path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/big"
wire.request("PUT", path, b"x" * (8 << 20), {"Authorization": f"Bearer {token}"})
assert wire.getresponse().status == 200
"""


@pytest.mark.docker
@pytest.mark.parametrize("target", ["cold", "warm"])
def test_a_container_without_a_network_logs_by_mlflows_address(docked: Desk, target: str) -> None:
    source = docked.source("mlflow", main=SCRIPT)
    runs = [docked.submit(source, target=target) for _ in range(2)]
    for run in runs:
        run.wait_for_completion()
        assert run.get_status() == "Completed"
        assert run.get_metrics()["m"] == [float(step) for step in range(20)]
        assert run.get_file_names() == ["big"]
