"""MLflow's view of the same experiments, runs, metrics and files (docs/mlflow.md).

Nothing is kept twice: an MLflow run is a run, a metric a point, an artifact a file of the run. What
MLflow has and Azure ML's words lack (params, data sets, logged models, the mark of a deleted run)
lies beside the run in tables of its own.
"""
