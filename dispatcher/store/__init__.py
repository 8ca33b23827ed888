"""Where runs are kept. The only room that speaks SQL.

`contract.py` is what the other packages see; `sql.py` keeps it on SQLite and PostgreSQL (one
mechanism: one writer thread a process, many writes in one commit, compare-and-swap on a run's
version); `memory.py` keeps it in dicts for tests; `testing.py` ships the suite that all three pass;
`blobs.py` holds files by content hash and logs by offset.
"""
