"""``oauth/{slug}/callback`` and its like: where authorization servers send browsers back to. Public: the proof is a consent's
own state, the browser's cookie, and for a command on the user's computer its token.

Whatever comes, the browser goes on to a clean URL (303), so that neither code nor state stays in the address bar, and what it
is told is one of our own codes.
"""

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Depends, Request, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.shared.cookies import Cookie

from shared.api.access import Access, origin
from shared.api.answers import Answers, answers
from shared.api.connections import binding
from shared.api.done import CONNECTED, POLICY, done
from shared.api.http import raw_query, reads_raw_query
from shared.api.integrations import ONE
from shared.api.problems import problem_of
from shared.api.rates import spend_callback
from shared.api.services import Services
from shared.api.things import PREFIX, IntegrationPath, SlugPath, TenantPath
from shared.domain.errors import FarshoreError, InvalidCallback, InvalidInput
from shared.ports.identity import Principal
from shared.usecases import connect
from shared.usecases.callback import cookie_name, hashed

_TAGS = ["Consent"]
_LONGEST: Final = 2048
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_PARAMETERS: Final = [
    {"name": name, "in": "query", "required": name == "state", "description": told, "schema": {"type": "string"}}
    for name, told in {
        "state": "As sent with the browser.",
        "code": "To be traded for tokens.",
        "iss": "The authorization server's issuer (RFC 9207).",
        "error": "Why there is no code.",
    }.items()
]
_QUERY: Final = {"x-parameters": _PARAMETERS}
"""The query is read as it came, so the description is told of it here (``description``)."""


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37

    @routes.get(
        "/oauth/<slug>/callback",
        operation_id="finishConsent",
        summary="Where a provider sends the browser back to",
        tags=_TAGS,
        enable_validation=False,
        openapi_extensions=_QUERY,
        responses=_onward(),
    )
    @reads_raw_query
    def finish_consent(
        slug: SlugPath, request: Request, principal: Annotated[Principal | None, Depends(access.perhaps)]
    ) -> Response[Any]:
        return _finished(services, request, principal, f"{PREFIX}/oauth/{slug}/callback")

    @routes.get(
        f"{ONE}/oauth/callback",
        operation_id="finishIntegrationConsent",
        summary="The same, for a client that has a redirect URI for each integration",
        tags=_TAGS,
        enable_validation=False,
        openapi_extensions=_QUERY,
        responses=_onward(),
    )
    @reads_raw_query
    def finish_integration_consent(
        tenant_id: TenantPath,
        integration_id: IntegrationPath,
        request: Request,
        principal: Annotated[Principal | None, Depends(access.perhaps)],
    ) -> Response[Any]:
        path = f"{PREFIX}/tenants/{tenant_id}/cloud-integrations/{integration_id}/oauth/callback"
        return _finished(services, request, principal, path)

    @routes.get(
        "/oauth/done",
        operation_id="showOutcome",
        summary="How a consent ended, for people",
        tags=_TAGS,
        enable_validation=False,
        responses=answers("The page.", None, text="text/html"),
    )
    @reads_raw_query
    def show_outcome(request: Request) -> Response[str]:
        try:
            told = raw_query(request.resolved_event).get("outcome", [""])[0]
        except InvalidInput:
            told = ""
        return Response(200, "text/html; charset=utf-8", done(told), headers={"Content-Security-Policy": POLICY})

    return routes


def _onward() -> Answers:
    where = {"Location": {"description": "Where the browser goes on to.", "schema": {"type": "string"}}}
    return answers("The browser goes on.", None, 404, 429, status=HTTPStatus.SEE_OTHER, headers=where)


def _finished(services: Services, request: Request, principal: Principal | None, path: str) -> Response[Any]:
    """Counts the call, finishes the consent, and sends the browser on. Raises TooManyRequests, StateUnavailable."""
    spend_callback(origin(request), services)
    state = ""
    try:
        answer = _answer(request, principal, path)
        state = answer.state or ""
        end = connect.finish(answer, services.worlds.connecting)
    except Exception as error:  # the browser goes on whatever happens
        return _refused(services, error, _unbound(request, state))
    if isinstance(end, connect.Handover):
        return _onto(end.url, [])
    it = end.integration
    outcome = CONNECTED if it.status == "active" else it.reason or it.status
    return _onto(_told(services, end.return_to, outcome=outcome, integration=it.id), _unbound(request, state))


def _answer(request: Request, principal: Principal | None, path: str) -> connect.Answer:
    """What the authorization server says, if it says each thing once. Raises InvalidCallback."""
    event = request.resolved_event
    try:
        query = raw_query(event)
    except InvalidInput:
        raise InvalidCallback from None
    told = {name: _once(query[name]) for name in ("state", "code", "iss", "error") if name in query}
    if event.body:
        raise InvalidCallback
    return connect.Answer(
        state=told.get("state"),
        code=told.get("code"),
        iss=told.get("iss"),
        error=told.get("error"),
        cookies=event.resolved_cookies_field,
        principal=principal.subject if principal else None,
        redirect_path=path,
        origin=origin(request),
    )


def _once(values: list[str]) -> str:
    if len(values) != 1 or not 0 < len(values[0]) <= _LONGEST:
        raise InvalidCallback
    return values[0]


def _refused(services: Services, error: Exception, cookies: list[Cookie]) -> Response[Any]:
    problem = problem_of(error)
    if problem.status.is_server_error:
        services.report(error)
    return_to = error.return_to if isinstance(error, FarshoreError) else ""
    return _onto(_told(services, return_to, outcome=problem.code), cookies)


def _told(services: Services, return_to: str, **query: str) -> str:
    """Where the browser goes, told how it ended."""
    target = return_to or f"{services.public_url}{PREFIX}/oauth/done"
    return f"{target}{'&' if '?' in target else '?'}{urlencode(query)}"


def _onto(url: str, cookies: list[Cookie]) -> Response[Any]:
    return Response(HTTPStatus.SEE_OTHER.value, body="", headers={**_HEADERS, "Location": url}, cookies=cookies)


def _unbound(request: Request, state: str) -> list[Cookie]:
    """Takes the consent's cookie back from the browser, if it sent it."""
    name = cookie_name(hashed(state))
    return [binding(name, "", 0)] if name in request.resolved_event.resolved_cookies_field else []
