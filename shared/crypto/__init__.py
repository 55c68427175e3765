"""Envelope encryption of secrets: the sealed form, and the key service behind it.

``vault`` is what the core asks for; ``envelope`` seals and unseals through the ``Keys`` port, ``context`` is a place's
canonical form, ``kms`` and ``cache`` are Keys. No module here reads the environment, makes a client or imports an SDK before
it is used.
"""
