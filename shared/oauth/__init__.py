"""Signing in and connecting: what Farshore asks of authorization servers."""
