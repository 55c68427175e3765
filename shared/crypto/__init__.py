"""Envelope encryption of secrets: what hides them, the context they are bound to, their sealed form, the key service.

``secret`` knows nothing, ``context`` names a place, ``envelope`` seals and unseals through the ``Keys`` port, ``kms`` and
``cache`` are Keys. No module here reads the environment, makes a client or imports an SDK before it is used.
"""
