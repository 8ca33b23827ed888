"""Sweeps: what is asked for, the search space, pruners, and what a sweep needs next."""
