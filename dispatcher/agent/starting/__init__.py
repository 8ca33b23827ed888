"""How a job starts: the fork servers, the shim around each job, and the two ways to a process."""
