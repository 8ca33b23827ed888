"""Registered environments and their versions."""
