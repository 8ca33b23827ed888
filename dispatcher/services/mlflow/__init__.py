"""MLflow's view of the same experiments, runs, metrics and files (docs/mlflow.md).

MLflow's runs, metrics and artifacts are the runs, points and files of the service; there are no
copies. Separate tables hold what Azure ML's model lacks: params, data sets, logged models, and the
mark of a deleted run.
"""
