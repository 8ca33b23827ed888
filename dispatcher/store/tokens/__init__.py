"""Tokens of users and service accounts, by their hash."""
