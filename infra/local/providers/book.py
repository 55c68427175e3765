"""What a house remembers: codes, grants and tokens. Kept in one file, so that a restarted stack still honours them."""

import json
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from threading import RLock
from typing import Any

from infra.local.providers.exchange import Refused
from infra.local.providers.grants import Code, Consent, Grant, Issued, Kind, Rules, Token


@dataclass(slots=True)
class Book:
    """Every method is atomic. Refusals leave it as it was, but for a code that is tried twice: that ends its grant."""

    rules: Rules
    file: Path | None = None
    name_token: Callable[[Kind], str] = lambda kind: f"{kind}-{secrets.token_urlsafe(32)}"
    offset: float = 0.0
    codes: dict[str, Code] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            self._load(json.loads(self.file.read_text()))

    def now(self) -> float:
        return time.time() + self.offset

    def write_code(self, consent: Consent) -> str:
        with self._changing():
            code = secrets.token_urlsafe(32)
            self.codes[code] = Code(consent, self.now() + self.rules.code)
            return code

    def trade(self, code: str, client: str, redirect_uri: str, verifier: str | None) -> Issued:
        """Trades a code for tokens (RFC 6749 4.1.3, RFC 7636 4.6)."""
        with self._changing():
            kept = self.codes.get(code)
            if kept is None or kept.consent.client != client:
                raise Refused("code_unknown")
            if kept.grant:
                self._revoke(kept.grant)  # RFC 6749 4.1.2: somebody else had it too
                raise Refused("code_used")
            if kept.until < self.now():
                raise Refused("code_expired")
            _check(kept.consent, redirect_uri, verifier)
            grant = self._grant_of(kept.consent)
            self.codes[code] = replace(kept, grant=grant.id)
            refresh = self._issue("refresh", grant, grant.scopes) if kept.consent.offline else None
            self._evict(grant)
            return Issued(self._issue("access", grant, grant.scopes), refresh, grant, kept.consent.nonce)

    def refresh(self, value: str, client: str, scopes: tuple[str, ...] | None) -> Issued:
        """Trades a refresh token (RFC 6749 6); ``scopes`` may only narrow."""
        with self._changing():
            token = self.tokens.get(value)
            if token is None or token.kind != "refresh" or self.grants[token.grant].client != client:
                raise Refused("refresh_unknown")
            grant = self.grants[token.grant]
            self._check_life(token, grant)
            if scopes is not None and not set(scopes) <= set(token.scopes):
                raise Refused("scope_wider")
            new = None if self.rules.rotation == "static" else self._issue("refresh", grant, token.scopes)
            self.tokens[value] = replace(token, used=self.now(), dead=self.rules.rotation == "strict")
            return Issued(self._issue("access", grant, scopes or token.scopes), new, grant)

    def opens(self, value: str | None) -> Grant | None:
        """The grant that an access token stands for; None if there is none, or it is over."""
        with self._lock:
            token = self.tokens.get(value or "")
            if token is None or token.kind != "access" or (token.until or 0) < self.now():
                return None
            grant = self.grants[token.grant]
            return None if grant.revoked or token.dead else replace(grant, scopes=token.scopes)

    def expired(self, value: str | None) -> bool:
        """Whether it was a good access token once, and only time ended it."""
        with self._lock:
            token = self.tokens.get(value or "")
            return token is not None and token.kind == "access" and not self.grants[token.grant].revoked

    def revoke(self, value: str) -> bool:
        """Ends the grant of a token of either kind; False if nobody knows it."""
        with self._changing():
            token = self.tokens.get(value)
            if token is None or self.grants[token.grant].revoked:
                return False
            self._revoke(token.grant)
            return True

    def revoke_all(self, person: str | None = None) -> None:
        """What a person does on the house's own page of connected apps."""
        with self._changing():
            for grant in list(self.grants.values()):
                if person in (None, grant.person):
                    self._revoke(grant.id)

    def expire(self, kind: Kind) -> None:
        """Ends every token of a kind by time."""
        with self._changing():
            for token in list(self.tokens.values()):
                if token.kind == kind:
                    self.tokens[token.value] = replace(token, until=self.now() - 1)

    def knows(self, client: str, person: str) -> bool:
        """Whether this person has a live grant for this client."""
        with self._lock:
            return any(
                grant.client == client and grant.person == person and not grant.revoked
                for grant in self.grants.values()
            )

    def scopes_of(self, client: str, person: str) -> tuple[str, ...]:
        """All scopes of a person's live grants for a client."""
        with self._lock:
            live = [grant for grant in self.grants.values() if (grant.client, grant.person) == (client, person)]
            return tuple(dict.fromkeys(scope for grant in live if not grant.revoked for scope in grant.scopes))

    def live(self, kind: Kind) -> list[Token]:
        with self._lock:
            return [token for token in self.tokens.values() if token.kind == kind and self._lives(token)]

    def _lives(self, token: Token) -> bool:
        over = token.until is not None and token.until < self.now()
        return not (token.dead or over or self.grants[token.grant].revoked)

    def _check_life(self, token: Token, grant: Grant) -> None:
        if grant.revoked:
            raise Refused("grant_revoked")
        if token.dead:
            raise Refused("refresh_used")
        if token.until is not None and token.until < self.now():
            raise Refused("refresh_expired")
        if self.rules.idle is not None and token.used + self.rules.idle < self.now():
            raise Refused("refresh_idle")

    def _grant_of(self, consent: Consent) -> Grant:
        """A new grant; or the one there is, if the house keeps one for each person and client."""
        same = [
            grant
            for grant in self.grants.values()
            if (grant.client, grant.person) == (consent.client, consent.person) and not grant.revoked
        ]
        known = same[0] if same and self.rules.one_grant else None
        grant = Grant(
            id=known.id if known else secrets.token_hex(8),
            client=consent.client,
            person=consent.person,
            scopes=consent.scopes,
            tenant=consent.tenant,
        )
        self.grants[grant.id] = grant
        return grant

    def _issue(self, kind: Kind, grant: Grant, scopes: tuple[str, ...]) -> Token:
        now = self.now()
        life = self.rules.access if kind == "access" else self.rules.refresh
        token = Token(
            self.name_token(kind), kind, grant.id, scopes, now, None if life is None else now + life, used=now
        )
        self.tokens[token.value] = token
        return token

    def _evict(self, grant: Grant) -> None:
        if self.rules.most_live is None:
            return
        live = [token for token in self.live("refresh") if token.grant == grant.id]
        for token in sorted(live, key=lambda token: token.issued)[: -self.rules.most_live]:
            self.tokens[token.value] = replace(token, dead=True)

    def _revoke(self, grant: str) -> None:
        self.grants[grant] = replace(self.grants[grant], revoked=True)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            finally:
                self._save()

    def _save(self) -> None:
        if self.file is None:
            return
        kept = {name: {key: asdict(value) for key, value in getattr(self, name).items()} for name in _TABLES}
        draft = self.file.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({**kept, "offset": self.offset}, file)
        draft.replace(self.file)

    def _load(self, kept: dict[str, Any]) -> None:
        self.offset = kept["offset"]
        for key, row in kept["codes"].items():
            self.codes[key] = Code(**{**row, "consent": Consent(**_tuples(row["consent"]))})
        self.grants.update({key: Grant(**_tuples(row)) for key, row in kept["grants"].items()})
        self.tokens.update({key: Token(**_tuples(row)) for key, row in kept["tokens"].items()})


_TABLES = ("codes", "grants", "tokens")


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _check(consent: Consent, redirect_uri: str, verifier: str | None) -> None:
    if redirect_uri != consent.redirect_uri:
        raise Refused("redirect_mismatch")
    if consent.challenge and not verifier:
        raise Refused("verifier_missing")
    # RFC 9700 4.8.2: a verifier for a consent that had no challenge is an attack too.
    if verifier and not compare_digest(consent.challenge, _challenge(verifier, consent.method)):
        raise Refused("verifier_wrong")


def _challenge(verifier: str, method: str) -> str:
    if method != "S256":
        return verifier
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
