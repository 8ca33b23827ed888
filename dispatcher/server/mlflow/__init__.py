"""MLflow's REST API (docs/mlflow.md): what its client of the current release calls.

Bodies are MLflow's messages as JSON; unknown fields are ignored, as in MLflow's own server. Errors
have MLflow's shape (`errors.py`).
"""

from dispatcher.server.guard import guarded_router
from dispatcher.server.mlflow import artifacts, experiments, info, logging, models, runs

PREFIX = "/api/2.0/mlflow"

router = guarded_router()
for part in (logging, runs, experiments, models):
    router.include_router(part.router, prefix=PREFIX, tags=["mlflow"])
router.include_router(artifacts.router, tags=["mlflow"])
router.include_router(info.router, tags=["mlflow"])
