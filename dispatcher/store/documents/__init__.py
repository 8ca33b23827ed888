"""Params of runs, and documents kept beside them."""
