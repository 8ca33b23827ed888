"""HyperDrive's names: what a sweep tries, how it is judged, and the run that it is."""
