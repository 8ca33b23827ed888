"""Runs on the nodes of a Ray cluster.

`target.py` has the verbs. It speaks through `link.py` to a bridge, a process of its own that holds
the connection to the cluster (`bridge.py`, `cluster.py`, `nodes.py`, `leases.py`, `verbs.py`); on
each node a detached launcher (`launcher.py`, `node.py`, `ground.py`) keeps our node agent alive.
"""
