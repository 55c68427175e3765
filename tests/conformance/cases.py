"""The 66 promises every connector keeps, by number. A test names the one it proves with ``@case(n)``."""

import pytest

CASES = {
    1: "an empty object",
    2: "an object of one byte",
    3: "a chunk less one, a chunk, a chunk and one",
    4: "two chunks, two chunks and one",
    5: "around the bound between one request and many",
    6: "all byte values and packed content stay as they are",
    7: "a length that only the end of the stream tells",
    8: "5 GiB and one byte",
    9: "the source is read once and not closed",
    10: "memory of two chunks and a constant",
    11: "a source that raises midway leaves nothing",
    12: "a source that ends early is an error",
    13: "a source longer than declared is an error",
    14: "a source that changes while it is read is an error",
    15: "a connection lost after the last byte",
    16: "a connection lost between chunks",
    17: "a part that keeps failing ends the session",
    18: "a completion that arrives twice",
    19: "create where nothing is",
    20: "create where something is",
    21: "update with the right tag",
    22: "update with a stale tag",
    23: "update where nothing is",
    24: "delete with the right and with a stale tag",
    25: "five times ten contended updates make fifty",
    26: "two interleaved uploads have the declared winner",
    27: "the same bytes twice, and what the tag says of it",
    28: "a late write is rejected",
    29: "every character some store refuses",
    30: "composed and decomposed twins",
    31: "names that differ in case only",
    32: "spaces and dots at either end",
    33: "reserved names, '#' and '%'",
    34: "'//', a leading '/' and '..' stay inside the root",
    35: "a key of 1,024 bytes",
    36: "a trailing slash",
    37: "emoji and what is no valid UTF-8",
    38: "'a b', 'a+b', 'a%2Bb', 'a%20b' are four names",
    39: "the content type and its relatives",
    40: "the stamp comes back, and vouches only for its bytes",
    41: "the declared precision of times",
    42: "an attribute the store cannot keep is an error",
    43: "no conversion of documents",
    44: "the head of what is absent is typed",
    45: "the head after a write",
    46: "pages of 11, 23, n and n + 1,123",
    47: "a prefix ends where it ends",
    48: "a list after a delete",
    49: "a list during writes",
    50: "delete",
    51: "delete what is absent",
    52: "delete, then create again",
    53: "expired credentials: one refresh, one retry",
    54: "revoked credentials are typed",
    55: "a full account: its user must act",
    56: "asked to slow down in seconds, until a date, or just so",
    57: "server errors, within a budget",
    58: "a server that does not answer",
    59: "200 with a page for people",
    60: "a redirect to another host carries no credentials",
    61: "two roots in one account do not see each other",
    62: "no secret in a repr, an exception or a log",
    63: "connections are closed",
    64: "the deadline is respected",
    65: "eight parallel writes",
    66: "what is claimed works, what is not says so",
}


also_model = pytest.mark.model
"""Also holds for the reference model of ``tests/model``: what the proofs of replication lean on is true of real stores. The
other cases are about HTTP, names, threads or memory, which the model does not have."""


def case(number: int) -> pytest.MarkDecorator:
    """Marks a test as a proof of case ``number``."""
    if number not in CASES:
        raise ValueError(f"there is no case {number}")
    return pytest.mark.case(number)
