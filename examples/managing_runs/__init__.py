"""The scripts that docs/managing-runs.md names."""
