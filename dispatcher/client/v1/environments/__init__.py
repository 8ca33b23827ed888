"""Environments: objects, folders, recipes for builds, registered versions."""
