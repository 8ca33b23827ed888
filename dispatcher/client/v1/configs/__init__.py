"""Run configurations: as objects, as files, and as the spec that is submitted."""
