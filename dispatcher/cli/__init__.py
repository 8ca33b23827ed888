"""The command line: a thin skin over `client.api` and `client.v1`.

Results go to stdout, progress to stderr. Scripts can rely on the exit codes (`exits`). Each command
group has a file; `output` renders results, `context` finds the workspace.
"""
