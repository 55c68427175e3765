"""One provider's authorization server: a dialect at work."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from requests import Response

from shared.domain.errors import (
    CallbackRefused,
    FarshoreError,
    GrantError,
    GrantExpired,
    GrantRevoked,
    Misconfigured,
    ProviderMisconfigured,
    ProviderUnavailable,
    TokenExpired,
)
from shared.domain.grant import Grant
from shared.domain.integration import Account
from shared.domain.secret import Secret
from shared.oauth.answers import Answer, answer_of
from shared.oauth.dialect import Client, Dialect
from shared.oauth.dialects.standard import consent_url
from shared.oauth.faults import Phase, body, refused, refused_by_api, revoked
from shared.oauth.id_token import account_in
from shared.oauth.wire import Wire
from shared.outbound.errors import Unreachable
from shared.outbound.session import Outbound
from shared.ports.oauth import ConsentRequest
from shared.ports.world import Clock


@dataclass(frozen=True, slots=True)
class Server:
    """Implements ``ports.oauth.AuthorizationServer``."""

    client: Client
    dialect: Dialect
    http: Outbound
    clock: Clock

    def consent_url(self, request: ConsentRequest) -> str:
        return consent_url(self.client, request)

    def exchange(self, code: Secret[str], request: ConsentRequest) -> Grant:
        now = self.clock.now()
        wire = self._line("exchange", now)
        self.dialect.exchange(wire, self.client, code, request)
        try:
            account = self._identified(wire.told, request, now) or self.dialect.account_in(wire.told)
        except CallbackRefused as error:
            error.grant = self._grant(wire.told, request.scopes, now, None)
            raise
        return self._grant(wire.told, request.scopes, now, account)

    def refresh(self, token: Secret[str], scopes: tuple[str, ...]) -> Grant:
        now = self.clock.now()
        wire = self._line("refresh", now)
        self.dialect.refresh(wire, self.client, token, scopes)
        return self._grant(wire.told, scopes, now, None)

    def account(self, access: Secret[str]) -> Account:
        url = self.client.endpoints.user_info
        if url is None:
            raise Misconfigured("the provider needs the URL that tells whose account it is")
        headers = {"Authorization": f"Bearer {access.reveal()}", "Accept": "application/json"}
        try:
            response = self.http.request(self.dialect.account_method, url, headers=headers)
        except Unreachable as error:
            raise ProviderUnavailable(reached=error.reached) from None
        _raise(refused_by_api(response, self.clock.now()))
        told = body(response) or {}
        known = [told.get(name) for name in self.dialect.account_ids]
        account = next((str(each) for each in known if each and isinstance(each, str | int)), "")
        names = (_shown(told.get(name)) for name in self.dialect.account_names)
        if not _shown(account):
            raise ProviderUnavailable
        return Account(account, next(filter(None, names), None))

    def revoke(self, access: Secret[str] | None, refresh: Secret[str] | None) -> bool:
        if self.client.endpoints.revoke is None:
            return False
        given = {"access_token": access, "refresh_token": refresh}
        for hint in self.dialect.revoke_with:
            if (token := given[hint]) is not None:
                try:
                    return self._revoke(token, hint)
                except TokenExpired:
                    break
        return refresh is None or self._revoke_anew(refresh)

    def _revoke_anew(self, refresh: Secret[str]) -> bool:
        """Ends a grant that only a live access token can end, when there is none."""
        try:
            return self._revoke(self.refresh(refresh, ()).access, "access_token")
        except (GrantRevoked, GrantExpired):
            return True
        except (ProviderUnavailable, ProviderMisconfigured):
            raise
        except GrantError:
            raise ProviderUnavailable from None

    def _revoke(self, token: Secret[str], hint: str) -> bool:
        wire = Wire(self.http, partial(revoked, now=self.clock.now()))
        self.dialect.revoke(wire, self.client, token, hint)
        return wire.told

    def _line(self, phase: Phase, now: datetime) -> Wire[Answer]:
        def read(response: Response) -> Answer:
            _raise(refused(response, self.dialect.faults, phase, now))
            return answer_of(response)

        return Wire(self.http, read)

    def _identified(self, told: Answer, request: ConsentRequest, now: datetime) -> Account | None:
        issuer = self.client.provider.issuer
        if told.id_token is None or issuer is None or "openid" not in request.scopes:
            return None
        return account_in(
            told.id_token,
            client_id=self.client.id,
            issuer=issuer,
            nonce=request.nonce,
            now=now,
            bare=self.dialect.bare_issuer,
        )

    def _grant(self, told: Answer, asked: tuple[str, ...], now: datetime, account: Account | None) -> Grant:
        return Grant(
            access=told.access,
            refresh=told.refresh,
            expires_at=None if told.seconds is None else now + timedelta(seconds=told.seconds),
            scopes=self.dialect.scopes.granted(told.scope, asked),
            account=account,
        )


def _raise(error: FarshoreError | None) -> None:
    if error is not None:
        raise error


def _shown(value: object) -> str | None:
    """A short printable text, or None."""
    return value if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable() else None
