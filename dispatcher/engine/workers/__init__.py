"""Calls to the live targets: for each, a worker with a bounded mailbox."""
