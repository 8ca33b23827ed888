"""Experiments, compute targets, remembered answers, facts of the installation."""
