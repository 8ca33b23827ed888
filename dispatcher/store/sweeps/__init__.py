"""Sweeps, as kept beside their runs."""
