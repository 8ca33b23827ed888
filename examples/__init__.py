"""Examples that run: each folder has a `demo` or a script to submit."""
