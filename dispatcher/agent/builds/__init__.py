"""Environments of this node: what they are made of, each built once, and the jobs that wait."""
