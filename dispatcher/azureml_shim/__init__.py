"""The `azureml` package for scripts: its modules contain only names from `dispatcher.client`.

The node agent puts the folder `azureml` in here on the import path of runs; `dispatcher shim` does
so outside of runs. It is not installed as a top-level package, because many Azure packages share
that namespace, and an installed one has priority. Standard library only.
"""
