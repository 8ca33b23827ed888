"""Use cases: what the service does, without HTTP and without knowing a concrete target.

`status` is the one door for every change of a run, and where waiting happens; `submission` accepts
runs; `tracking` takes spools and answers metrics and logs; `files` keeps snapshots; `catalog` keeps
targets and experiments; `launching` makes jobs of runs; `access` says what a token may touch.
"""
