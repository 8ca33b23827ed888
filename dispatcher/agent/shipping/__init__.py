"""Ships metrics, logs and output files of jobs to the service, by offset and by hash."""
