"""One adapter per object store behind the ports, and what they share: transfer, names, faults.

Importing this package imports no SDK.
"""
