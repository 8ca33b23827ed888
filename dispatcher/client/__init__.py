"""The client: what talks to the service from the desk and from inside a run.

The standard library alone, in Python 3.8 syntax: it travels into any image beside the user's script
and cannot clash with what is installed there. What `run.log` needs imports nothing that a bare
interpreter has not loaded anyway (`in_run`); everything else is imported where it is used.

A package for each noun of v1; beside them the way to the service, and what may go wrong on it.
"""
