"""Scripts of the repository: the set-up, and the description of the API for the studio."""
