"""A source folder as it is sent: which files, their hashes, what git says of them."""
