"""The pure core: what a run is, how it moves, where it is placed and what is still owed to it.

Nothing here reads a clock, a file, a socket or a random number, and nothing logs. Everything is a
frozen value or a function of values, so that a property test can run it a million times. Imports:
standard library, pydantic.
"""
