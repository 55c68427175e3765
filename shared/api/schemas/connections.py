"""Consent, tests and health of an integration over the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from shared.api.schemas.closed import OPTIONAL, Closed, Told
from shared.api.schemas.integrations import Status
from shared.usecases import check, connect

_LOOPBACK = r"^http://(127\.0\.0\.1|\[::1\]):[0-9]{4,5}(/[A-Za-z0-9-]{1,64}){1,4}$"


class ConsentStart(Told):
    """What the consent shall be for, and where the browser goes in the end. All may be left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{}, {"returnTo": "https://app.acme.example/connections"}]}
    )

    scopes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]],
        Field(description="To ask for these, some of the provider's; all of them if left out.", max_length=100),
        OPTIONAL,
    ]
    return_to: Annotated[
        str,
        Field(description="One of the deployment's return URLs; our own page if left out.", max_length=2048),
        OPTIONAL,
    ]
    loopback: Annotated[
        str,
        Field(
            description="Where a command on the user's computer waits (RFC 8252, 7.3).",
            pattern=_LOOPBACK,
            max_length=256,
        ),
        OPTIONAL,
    ]
    callback: Annotated[
        Literal["provider", "integration"],
        Field(default="provider", description="Whose redirect URI to use: the provider's, or the integration's own."),
    ]
    confirm_account_change: Annotated[
        bool, Field(default=False, description="Whether another account than before may be connected.")
    ]

    def told(self) -> connect.StartRequest:
        """As the use case takes it."""
        scopes = tuple(self.scopes) if "scopes" in self.model_fields_set else None
        return connect.StartRequest(
            scopes=scopes,
            return_to=self.return_to or "",
            loopback=self.loopback or "",
            callback=self.callback,
            confirmed=self.confirm_account_change,
        )


_STARTED: JsonDict = {
    "authorizationUrl": "https://www.dropbox.com/oauth2/authorize?client_id=a1b2c3d4e5f6g7h&response_type=code",
    "expiresAt": "2026-11-20T12:10:00Z",
}


class Started(Closed):
    """Where to send the browser that got this answer's cookie."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STARTED]})

    authorization_url: Annotated[str, Field(description="The provider's consent page.")]
    expires_at: Annotated[datetime, Field(description="After that, begin again.")]

    @classmethod
    def of(cls, begun: connect.Started) -> Self:
        """From what the use case began."""
        return cls(authorization_url=begun.url, expires_at=begun.expires_at)


class Tested(Closed):
    """Whether a connection works."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"tokenValid": True, "apiReachable": True, "scopesValid": True, "milliseconds": 212, "code": None},
                {
                    "tokenValid": False,
                    "apiReachable": False,
                    "scopesValid": False,
                    "milliseconds": 95,
                    "code": "grant_revoked",
                },
            ]
        }
    )

    token_valid: bool
    api_reachable: Annotated[bool | None, Field(description="null: the provider has no `userInfoUrl` to ask.")]
    scopes_valid: bool
    milliseconds: int
    code: Annotated[str | None, Field(description="What is wrong: a stable code.")]

    @classmethod
    def of(cls, it: check.Tested) -> Self:
        """From what the use case found."""
        return cls(
            token_valid=it.token_valid,
            api_reachable=it.api_reachable,
            scopes_valid=it.scopes_valid,
            milliseconds=it.milliseconds,
            code=it.code,
        )


class ConnectionHealth(Closed):
    """How a connection is, as far as is known; nobody is asked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "revoked",
                    "reason": "grant_revoked",
                    "tokenExpiresAt": "2026-11-20T16:00:00Z",
                    "nextRefreshAt": None,
                    "failures": 1,
                    "lastRefreshedAt": "2026-11-20T12:00:00Z",
                    "whatToDo": "Reconnect it.",
                }
            ]
        },
    )

    status: Status
    reason: Annotated[str | None, Field(description="Why it is not simply active: a stable code.")]
    token_expires_at: datetime | None
    next_refresh_at: Annotated[datetime | None, Field(description="null: never by itself.")]
    failures: Annotated[int, Field(description="Refreshes that failed since the last that succeeded.")]
    last_refreshed_at: datetime | None
    what_to_do: Annotated[str | None, Field(description="For people; null if nothing.")]

    @classmethod
    def of(cls, it: check.Health) -> Self:
        """From what the use case knows."""
        return cls(
            status=it.status,
            reason=it.reason,
            token_expires_at=it.token_expires_at,
            next_refresh_at=it.next_refresh_at,
            failures=it.failures,
            last_refreshed_at=it.last_refreshed_at,
            what_to_do=it.what_to_do,
        )
