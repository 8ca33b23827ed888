"""The node agent: starts scripts for a target on one machine, and sees them to their end.

Everything here imports the standard library alone and keeps Python 3.8 syntax, so that it runs in
any image, from a directory or from a zip. A job's name is its only handle; its folder and its claim
(docs/protocol.md, section 2) are the truth, so any of the processes here may be killed at any line.
"""

import sys

# What an interpreter has imported by itself: nothing in a snapshot can take the place of these.
AT_START = frozenset(sys.modules)
