"""Run configurations and script run configurations: as objects, as files, as what is sent."""
