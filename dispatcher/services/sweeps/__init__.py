"""Sweeps: submission and control, trials, and the samplers that suggest the next cells."""
