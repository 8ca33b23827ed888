"""Names, hashes and sizes of the files of runs."""
