"""Workspace, Experiment, Run, … with Azure ML v1's names and manners: thin faces over `api`."""
