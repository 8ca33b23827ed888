"""The one ordered log of events: contract, table, SQL, memory."""
