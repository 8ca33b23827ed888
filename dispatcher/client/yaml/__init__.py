"""YAML, read and written without a library, as much of it as configuration files use."""
