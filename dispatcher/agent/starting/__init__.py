"""How jobs start: the fork servers, the shim of each job, and fresh or forked processes."""
