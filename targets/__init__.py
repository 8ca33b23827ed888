"""Compute targets: where jobs run. Five verbs (`base.py`), one file a kind.

`build()` turns a configuration into a target and imports `docker` or `ray` only when one of that kind is asked for.
The room knows `dispatcher.core` and the wire protocol of the node agent; it never sees the store or the service.
"""
