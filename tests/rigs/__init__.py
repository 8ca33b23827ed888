"""Real parts for the tests: engines, clusters, databases and a view of the process table.

Nothing here is a mock. Each rig is the real program in a private folder below /tmp, started when a
test first asks for it (see `tests/conftest.py`) and gone when the session ends. A part that is not
installed fails the test with the command that installs it: a skipped test proves nothing.
"""
