"""The loops: fetch, ask a pure function, carry out. Only one engine is active in an installation,
by lease.

`loop.py` is the engine: it gathers what was seen and what was committed, asks `reconcile` and
`plan`, records the answers in one commit and then acts. `fleet.py` holds the live targets, each
behind a thread of its own, so that one that hangs holds up no other. `window.py` keeps the head of
each target's queue in memory. `ledger.py` mirrors what is placed.
"""
