"""The run around a script: its context, its spool, its connection, its parking and child keys.

`Run.get_context()` and `run.log` go through here; nothing that they import costs a script time.
"""
