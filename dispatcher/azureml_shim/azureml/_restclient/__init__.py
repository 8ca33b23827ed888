"""v1's client of Azure's REST API: the names that programs import."""
