"""Content by hash, logs and resumable uploads, in files."""
