"""Tags, properties and descriptions of runs."""
