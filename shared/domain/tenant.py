"""A tenant and its source."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.errors import InvalidInput
from shared.domain.ids import TenantId


@dataclass(frozen=True, slots=True)
class Source:
    """The bucket and prefix that are a tenant's primary. A tenant can never name a source outside its own.

    Attributes:
        connector: the registry's name of the store (``s3``).
        bucket: the container.
        prefix: empty, or ending in ``/``. No tenant's prefix contains another's in the same bucket.
    """

    connector: str
    bucket: str
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.prefix and (not self.prefix.endswith("/") or self.prefix.startswith("/")):
            raise InvalidInput("a source's prefix is empty or ends, but does not begin, with '/'")

    def holds(self, connector: str, bucket: str, key: str) -> bool:
        """Whether this object is the tenant's."""
        return (connector, bucket) == (self.connector, self.bucket) and key.startswith(self.prefix)

    def overlaps(self, other: "Source") -> bool:
        """Whether some key could belong to both."""
        same = (self.connector, self.bucket) == (other.connector, other.bucket)
        return same and (self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix))


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the company that runs Farshore.

    Attributes:
        owners, members: subjects of the issuer who own it or belong to it, beside those whose tokens say so.
        version: grows by one with each change; compare-and-swap.
    """

    id: TenantId
    name: str
    source: Source
    created_at: datetime
    owners: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    updated_at: datetime | None = None
    version: int = 1
