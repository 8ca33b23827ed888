"""Runs and their events: contract, tables, SQL, memory, listing and search."""
