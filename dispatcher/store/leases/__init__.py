"""Leases with fencing tokens."""
