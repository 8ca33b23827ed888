"""The node agent: starts scripts for a target on one machine, and watches them until they end.

Everything here imports the standard library alone and keeps Python 3.8 syntax, so that it runs in
any image, from a directory or from a zip. A job's name is its only handle; its folder and its claim
(docs/protocol.md, section 2) are the truth, so any of the processes here may be killed at any line.
"""

import sys

# The modules that an interpreter imports at its start; a snapshot cannot replace them.
AT_START = frozenset(sys.modules)
