"""What names must look like. Refusals say what is wanted and repeat nothing."""

import re

from shared.domain.errors import InvalidInput
from shared.domain.integration import Integration

_NAME_MAX = 128
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}\Z")
_FOLDER_MAX = 1024


def named(name: str, what: str) -> None:
    """A name that people read. Raises InvalidInput."""
    if not 0 < len(name) <= _NAME_MAX or not name.isprintable() or not name.strip():
        raise InvalidInput(f"{what} is 1 to {_NAME_MAX} printable characters")


def bucket(name: str) -> None:
    """A bucket or container of an object store. Raises InvalidInput."""
    if not _BUCKET.match(name):
        raise InvalidInput("a bucket's or container's name is 3 to 63 letters, digits, '.', '_' and '-'")


def folder(name: str) -> None:
    """A place in a file store: a path or an id of its own making; may be empty. Raises InvalidInput."""
    parts = name.split("/")
    if len(name) > _FOLDER_MAX or not (name.isprintable() or not name) or ".." in parts:
        raise InvalidInput(f"a folder is at most {_FOLDER_MAX} printable characters without '..'")


def place(integration: Integration) -> None:
    """Checks its container: a bucket's name, or for a store of files any folder, the empty one too. Raises InvalidInput."""
    (folder if integration.auth_type == "oauth2" else bucket)(integration.container)
