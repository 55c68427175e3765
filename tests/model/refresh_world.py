"""A connection, its provider and its leases in memory: small, transparent, and able to be put into any state.

Tokens have names that say where they come from: ``r0.2`` is the refresh token of grant 0 after two refreshes, ``a0.2`` the
access token that came with it. Where it differs from real houses: a strict one does not end the grant when a replaced refresh
token is used again, and revoking ends one grant, never all of an account's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from shared.domain.errors import GrantRevoked, SealBroken, VersionMismatch
from shared.domain.grant import Grant
from shared.domain.ids import IntegrationId, ProviderId, TenantId
from shared.domain.integration import Integration, Tokens
from shared.domain.provider import Provider, Rotation
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.ports.connections import Lease
from shared.usecases import refresh as production
from tests.model.bucket import EPOCH, Gate

LIFE = timedelta(hours=1)
PLACE = (TenantId("acme"), IntegrationId("int_1"))


@dataclass(frozen=True, slots=True)
class House:
    """The provider. ``grants``: for each consent whether it is alive, and how often it was refreshed."""

    rotation: Rotation
    grants: tuple[tuple[bool, int], ...] = ((True, 0),)
    calls: int = 0

    def honours(self, refresh: str) -> bool:
        grant, number = numbers(refresh)
        alive, last = self.grants[grant]
        good = {"static": number == 0, "sliding": number <= last, "strict": number == last}
        return alive and good[self.rotation]

    def refreshed(self, grant: int) -> "House":
        alive, last = self.grants[grant]
        return self.put(grant, (alive, last + 1))

    def ended(self, grant: int) -> "House":
        return self.put(grant, (False, self.grants[grant][1]))

    def put(self, grant: int, what: tuple[bool, int]) -> "House":
        return replace(self, grants=(*self.grants[:grant], what, *self.grants[grant + 1 :]))


def numbers(token: str) -> tuple[int, int]:
    """Grant and number of a token."""
    grant, _, number = token[1:].partition(".")
    return int(grant), int(number)


def sealed(token: str, field: str, sequence: int) -> Sealed:
    return Sealed(f"{token}|{field}".encode(), sequence)


def name_of(box: Sealed | None) -> str:
    """The token in a seal; empty if there is none."""
    return box.box.decode().partition("|")[0] if box else ""


def tokens(grant: int, generation: int, expires_at: datetime) -> Tokens:
    """What a consent gave."""
    return Tokens(
        generation,
        sealed(f"a{grant}.0", "access_token", generation),
        sealed(f"r{grant}.0", "refresh_token", generation),
        expires_at,
    )


def connected(*, expires_in: float, due: bool) -> Integration:
    """A connection whose access token is over in so many seconds, and due now or just before that."""
    end = EPOCH + timedelta(seconds=expires_in)
    return Integration(
        PLACE[1], PLACE[0], "drive", "memory", "oauth2", "", EPOCH, EPOCH,
        provider_id=ProviderId("prv_1"), generation=1, tokens=tokens(0, 1, end), refresh_due_at=EPOCH if due else end,
    )  # fmt: skip


class Quiet:
    """A port that shows its name and nothing that changes."""

    def __repr__(self) -> str:
        return type(self).__name__


class Integrations(Quiet):
    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.row: Integration | None = None

    def get(self, *place, fresh: bool = False) -> Integration | None:
        return self.gate.around("integrations.get", partial(self._get))

    def _get(self) -> Integration | None:
        return self.row

    def change(self, new: Integration, event=None) -> None:
        self.gate.around("integrations.change", partial(self._change, new, event))

    def _change(self, new: Integration, event) -> None:
        if self.row is None or self.row.version != new.version - 1:
            raise VersionMismatch
        self.row = new


class Leases(Quiet):
    """A row stays until it is freed without doubt."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.rows: dict[str, Lease] = {}

    def take(self, name: str, holder: str, *, until: datetime, now: datetime) -> Lease | None:
        return self.gate.around("leases.take", partial(self._take, name, holder, until, now))

    def _take(self, name: str, holder: str, until: datetime, now: datetime) -> Lease | None:
        there = self.rows.get(name)
        if there is not None and there.holder and there.until > now:
            return None
        self.rows[name] = Lease(name, holder, until, doubtful=there is not None)
        return self.rows[name]

    def free(self, lease: Lease, *, doubtful: bool = False) -> None:
        self.gate.around("leases.free", partial(self._free, lease, doubtful))

    def _free(self, lease: Lease, doubtful: bool) -> None:
        there = self.rows.get(lease.name)
        if there is None or (there.holder, there.until) != (lease.holder, lease.until):
            return
        if doubtful:
            self.rows[lease.name] = replace(there, holder="")
        else:
            del self.rows[lease.name]

    def held(self, now: datetime) -> bool:
        return any(row.holder and row.until > now for row in self.rows.values())


class Vault(Quiet):
    """Sealing is a call; opening always works, in the right place."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def seal(self, secret: Secret[str], context) -> Sealed:
        return self.gate.around("vault.seal", partial(sealed, secret.reveal(), context.field, context.sequence))

    def open(self, box: Sealed, context) -> Secret[str]:
        token, _, field = box.box.decode().partition("|")
        if (field, box.sequence) != (context.field, context.sequence):
            raise SealBroken
        return Secret(token)


class Server(Quiet):
    """Both ends of the line to the provider."""

    def __init__(self, gate: Gate, now: Callable[[], datetime]) -> None:
        self.gate, self.now = gate, now
        self.house = House("static")

    def of(self, provider, secret) -> "Server":
        return self

    def refresh(self, token: Secret[str], scopes: tuple[str, ...]) -> Grant:
        return self.gate.around("server.refresh", partial(self._refresh, token.reveal()))

    def _refresh(self, token: str) -> Grant:
        self.house = replace(self.house, calls=self.house.calls + 1)
        if not self.house.honours(token):
            raise GrantRevoked
        grant = numbers(token)[0]
        self.house = self.house.refreshed(grant)
        name = f"{grant}.{self.house.grants[grant][1]}"
        kept = None if self.house.rotation == "static" else Secret(f"r{name}")
        return Grant(Secret(f"a{name}"), kept, self.now() + LIFE)

    def revoke(self, access: Secret[str] | None, refresh: Secret[str] | None) -> bool:
        return self.gate.around("server.revoke", partial(self._revoke, refresh.reveal() if refresh else ""))

    def _revoke(self, refresh: str) -> bool:
        if refresh and self.house.honours(refresh):
            self.house = self.house.ended(numbers(refresh)[0])
        return True


class Providers(Quiet):
    def __init__(self, rotation: Rotation) -> None:
        self.provider = Provider(
            ProviderId("prv_1"), "P", "p", "memory", ("oauth2",), "op", EPOCH, EPOCH, rotation=rotation
        )

    def get(self, provider_id, *, fresh: bool = False) -> Provider:
        return self.provider


class Clock(Quiet):
    """The time as one process sees it."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.time = EPOCH

    def now(self) -> datetime:
        return self.gate.around("clock.now", partial(self._now))

    def _now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.gate.around("clock.sleep", partial(int))


class Chance(Quiet):
    """Holders' names are their workers'; the jitter is none."""

    holder = ""

    def token(self, nbytes: int) -> str:
        return self.holder

    def fraction(self) -> float:
        return 0.0


class Metrics(Quiet):
    def count(self, name: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
        return None


class Deadline(Quiet):
    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def remaining(self) -> float:
        return self.gate.around("deadline.remaining", partial(float, "inf"))


class Room:
    """Everything that a refresh asks for, wired; ``run`` does one as its callers do."""

    def __init__(self, rotation: Rotation, gate: Gate, protocol=production) -> None:
        self.protocol = protocol
        self.clock, self.integrations, self.leases = Clock(gate), Integrations(gate), Leases(gate)
        self.server, self.chance, self.deadline = Server(gate, lambda: self.clock.time), Chance(), Deadline(gate)
        self.server.house = House(rotation)
        self.world = production.Refreshing(
            self.integrations, Providers(rotation), self.leases, Vault(gate), self.server, self.clock, self.chance,
            Metrics(),
        )  # fmt: skip

    def run(self, kind: str):
        """``timer``, ``asked`` (by a person), ``demand`` (a token that lives), ``refused`` (the API did not take ``a0.0``)."""
        use = self.protocol
        if kind == "timer":
            return use.refresh_one(*PLACE, self.world, self.deadline, wait=False)
        if kind == "asked":
            return use.refresh_one(*PLACE, self.world, self.deadline, force=True)
        refused = Secret("a0.0") if kind == "refused" else None
        return use.access_token(*PLACE, self.world, self.deadline, refused=refused)
