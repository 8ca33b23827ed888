"""The services of MLflow's API."""

from dataclasses import dataclass

from dispatcher.services.mlflow.artifacts import MlflowArtifacts
from dispatcher.services.mlflow.experiments import MlflowExperiments
from dispatcher.services.mlflow.models import MlflowModels
from dispatcher.services.mlflow.runs import MlflowRuns


@dataclass(frozen=True)
class MlflowServices:
    """The services that MLflow's calls use."""

    experiments: MlflowExperiments
    runs: MlflowRuns
    models: MlflowModels
    artifacts: MlflowArtifacts
