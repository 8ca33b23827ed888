"""Garbage collection: what nothing refers to is deleted, after a grace time."""
