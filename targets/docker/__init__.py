"""Runs in containers of a Docker engine.

`target.py` has the verbs; a job is either cold, with a container of its own (`cold.py`, started by
`launch.py` as `profile.py` says), or warm, a fork in a shared one (`warm.py`, `warm_box.py`,
`warm_pool.py`). `claims.py` says on disk which of them has a job, `evidence.py` how it ended;
`boxes.py`, `files.py` and `spools.py` read what it left; the rest is about images and GPUs.
"""
