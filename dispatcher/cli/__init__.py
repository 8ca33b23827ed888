"""The command line: a skin over the client.

Results go to stdout, progress to stderr, and scripts can rely on the exit codes (`exits.py`). One
file a command group; `output.py` renders results, `context.py` finds the workspace.
"""
