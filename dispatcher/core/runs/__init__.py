"""A run: specification, states and events, jobs, verdicts, and waits that cannot end."""
