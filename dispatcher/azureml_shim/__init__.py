"""The `azureml` package as scripts know it: names alone, each from `dispatcher.client`.

The folder `azureml` in here is put on the import path inside runs (by the node agent), and at the
desk for those who ask for it. It is never installed as a top-level package: a dozen Azure packages
share that namespace, and a real one wins. Standard library only.
"""
