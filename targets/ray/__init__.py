"""Runs on the nodes of a Ray cluster.

`target.py` holds the calls of a target. Through `bridge_client.py` it calls a bridge, a process
that is a driver of the cluster (`bridge.py`, `cluster.py`, `cluster_operations.py`,
`remote_node.py`, `node_description.py`, `placement_groups.py`). On each node a detached launcher
(`launcher.py`, `node_setup.py`) runs our node agent.
"""
