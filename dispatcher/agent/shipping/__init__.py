"""What jobs say and leave behind, brought to the service by offset and by hash."""
