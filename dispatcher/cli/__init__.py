"""The command line: a skin over the client. Results go to stdout, progress to stderr, and the exit
code can be relied on.
"""
