"""The snapshot of a source folder: its files, their hashes, the git state, the upload."""
