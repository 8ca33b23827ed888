"""Deleted runs and what is left of them; what refers to contents and logs, and how large it is."""
