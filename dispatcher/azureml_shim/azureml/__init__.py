"""Azure ML SDK v1's namespace, answered by dispatcher. `azureml.core` is what scripts import."""
