"""Metric values and spool offsets."""
