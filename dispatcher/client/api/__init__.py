"""Functions over the wire that return typed records; the layer knows HTTP and records only."""
