"""S3's order of events for one key."""

import re
from dataclasses import dataclass

_WIDTH = 64
_HEX = re.compile(r"[0-9a-f]{1,64}\Z")


@dataclass(frozen=True, slots=True, order=True)
class Sequencer:
    """A position in the order of one key's creates and deletes; comparable for the same bucket and key only.

    The value is lower-case hexadecimal, right-padded with zeros to 64 digits, which makes S3's rule (pad the shorter,
    compare as text) plain string comparison, in Python and in a DynamoDB condition alike. The empty value, for events
    that carry no sequencer, sorts before all others.
    """

    value: str = ""


def sequencer(text: str | None) -> Sequencer:
    """Reads the sequencer of an event; anything that is not one is as good as none: events are hints."""
    lowered = (text or "").lower()
    return Sequencer(lowered.ljust(_WIDTH, "0")) if _HEX.match(lowered) else Sequencer()
