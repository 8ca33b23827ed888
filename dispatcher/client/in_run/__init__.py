"""What a script needs of the run around it: who it is, its spool, its way to the service.

`Run.get_context()` and `run.log` go through here; nothing that they import costs a script time.
"""
