"""HyperDrive: the configuration of sweeps, and the run that a sweep is."""
