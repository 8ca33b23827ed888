"""v1's pipelines: their names can be imported, and say what to use instead."""
