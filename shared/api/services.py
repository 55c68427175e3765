"""What the routes ask of the world."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.api.cursor import CursorCodec
from shared.ports.identity import Verifier
from shared.ports.state import Ledger, Tenants


@dataclass(frozen=True, slots=True)
class Services:
    """Ports, given by the host's container.

    Attributes:
        report: told of every error that is answered with 500, to log it safely; must not raise.
        owner_role: the role that makes a tenant's member its owner.
    """

    tenants: Tenants
    ledger: Ledger
    verifier: Verifier
    cursors: CursorCodec
    report: Callable[[BaseException], None]
    owner_role: str = "owner"
