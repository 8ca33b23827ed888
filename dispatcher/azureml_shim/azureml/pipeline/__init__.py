"""v1's pipelines: their names can be imported; using one raises an error with the alternative."""
