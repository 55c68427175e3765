"""The canonical form of a seal's context, as the cipher binds it."""

from collections.abc import Mapping


def canonical(pairs: Mapping[str, str]) -> bytes:
    """One byte string per map and one map per byte string: sorted by name, each part prefixed with its length (4 bytes).

    ``a|bc`` and ``ab|c`` differ here, whatever the values hold.
    """
    parts = [part.encode("utf-8", "surrogatepass") for pair in sorted(pairs.items()) for part in pair]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
