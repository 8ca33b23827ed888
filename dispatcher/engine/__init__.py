"""The loops that drive runs and sweeps. One engine is active in an installation, by lease.

The engine works in stages: `inbox` gathers messages, `view` takes them in, `decide` says purely
what follows, `record` commits it, `actions` says what the targets are owed, `dispatch` hands that
to the `workers`. `loop` runs them in turn; `audit` compares the view with the store; `prefetching`
sends short runs ahead. `sweeper` drives sweeps.
"""
