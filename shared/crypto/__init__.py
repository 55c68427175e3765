"""Envelope encryption of secrets: sealed form, canonical context, KMS."""
