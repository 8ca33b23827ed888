"""Workspaces and what has a name in them: experiments, models, registered workspaces."""
