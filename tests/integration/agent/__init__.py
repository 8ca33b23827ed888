"""The node agent, with real processes."""
