"""What the client, the node agent and the service say to each other, and how it is transported.

The package imports the standard library alone and keeps Python 3.8 syntax, because it also runs
inside user processes.
"""
