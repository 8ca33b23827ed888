"""v1's own client of Azure: of its names, those that programs import."""
