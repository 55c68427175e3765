"""Hosts: parse, call one use case, map the answer. No business rule lives here."""
