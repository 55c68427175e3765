"""What the routes ask of the world."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shared.api.cursor import CursorCodec
from shared.ports.connections import Audit, Limits, Providers, Webhooks
from shared.ports.identity import Verifier
from shared.ports.state import Integrations, Ledger, Tenants
from shared.ports.world import Clock, Deadline

if TYPE_CHECKING:
    from shared.usecases.check import Checking
    from shared.usecases.connect import Connecting
    from shared.usecases.deliver import Delivering
    from shared.usecases.disconnect import Disconnecting
    from shared.usecases.integrations import Managing
    from shared.usecases.providers import Administration
    from shared.usecases.refresh import Refreshing
    from shared.usecases.tenancy import Tenancy
    from shared.usecases.webhooks import Hooks


class Worlds(Protocol):
    """What each use case asks for, made when a route first needs it: a function that lacks the rights (or the packages) for
    one never makes it.
    """

    @property
    def administration(self) -> "Administration": ...

    @property
    def tenancy(self) -> "Tenancy": ...

    @property
    def managing(self) -> "Managing": ...

    @property
    def connecting(self) -> "Connecting": ...

    @property
    def disconnecting(self) -> "Disconnecting": ...

    @property
    def refreshing(self) -> "Refreshing": ...

    @property
    def checking(self) -> "Checking": ...

    @property
    def hooks(self) -> "Hooks": ...

    @property
    def delivering(self) -> "Delivering": ...


@dataclass(frozen=True, slots=True)
class Services:
    """Ports, given by the host's container.

    Attributes:
        report: told of every error that is answered with 500, to log it safely; must not raise.
        deadline: the time left to a request, from what the host calls its context.
        public_url: where the API is for browsers, without a slash at the end; empty if the operator did not say.
        owner_role: the role that makes a tenant's member its owner.
        superadmin_role: the role that may define providers and tenants.
    """

    tenants: Tenants
    providers: Providers
    integrations: Integrations
    ledger: Ledger
    audit: Audit
    webhooks: Webhooks
    limits: Limits
    worlds: Worlds
    verifier: Verifier
    cursors: CursorCodec
    clock: Clock
    report: Callable[[BaseException], None]
    deadline: Callable[[Any], Deadline]
    public_url: str = ""
    owner_role: str = "owner"
    superadmin_role: str = "superadmin"
