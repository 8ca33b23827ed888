"""Runs, as v1's `Run`: records, metrics, files, logs, children, and how they are submitted."""
