"""Sweeps: the calls of their users, their trials, and what suggests the next ones."""
