"""The namespace of Azure ML SDK v1, provided by dispatcher. Scripts import `azureml.core`."""
