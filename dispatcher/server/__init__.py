"""The HTTP face (docs/protocol.md, section 1). Handlers parse, call one service method and render;
they decide nothing.

`wiring.py` is the composition root: the one place where stores, services, engine and targets are
made and joined, and where the clock is read. `app.py` maps errors to HTTP in one table.
"""
