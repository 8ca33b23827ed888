"""Deleted runs, what is left of them, and contents that garbage collection is about to delete."""
