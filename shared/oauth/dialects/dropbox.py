"""Dropbox's ways: the standard's, but its API wants POST even for questions, and tokens are revoked by showing them."""

from shared.domain.integration import Account
from shared.domain.secret import Secret
from shared.oauth.answers import Answer
from shared.oauth.dialect import Client, Dialect
from shared.oauth.dialects import standard
from shared.oauth.wire import Wire


def revoke(wire: Wire[bool], client: Client, token: Secret[str], hint: str) -> None:
    """``auth/token/revoke``: ends the access token shown, its refresh token, and all that came from that."""
    wire.post(str(client.endpoints.revoke), headers={"Authorization": f"Bearer {token.reveal()}"})


def _account(answer: Answer) -> Account | None:
    value = answer.rest.get("account_id")
    return Account(value) if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable() else None


DIALECT = Dialect(
    exchange=standard.exchange,
    refresh=standard.refresh,
    revoke=revoke,
    revoke_with=("access_token",),
    account_in=_account,
    account_method="POST",
    account_ids=("account_id",),
    account_names=("email",),
)
