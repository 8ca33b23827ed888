"""One file a noun. A handler has a parse (its signature), one call and one render. `def`, unless it
waits.
"""
