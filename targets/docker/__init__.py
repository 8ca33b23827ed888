"""Runs in containers of a Docker engine.

`target.py` holds the calls of a target. A job runs in a dedicated container (`dedicated.py`; it is
started by `launcher.py` as `container_spec.py` describes) or as a fork in a shared pool container
(`pooled.py`, `pool_container.py`, `container_pool.py`). `claims.py` records which of them has it,
`evidence.py` how it ended. `job_directories.py`, `guarded_files.py` and `spools.py` read what it
left. `image_builds.py` and `images.py` build images of environments.
"""
