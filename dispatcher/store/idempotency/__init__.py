"""Idempotency keys: which calls were carried out, and what they were answered."""
