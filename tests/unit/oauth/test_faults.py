"""Refusals: what each one means for the connection, and that none of them is quoted."""

import pytest

from shared.domain.errors import (
    CodeRefused,
    FarshoreError,
    GrantExpired,
    GrantRevoked,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    ScopeMissing,
    TokenExpired,
)
from shared.domain.secret import Secret
from tests.unit.oauth.house import NOW, REQUEST, house

SAYS = "canary <script>alert(1)</script>"


def refusal(dialect, status, body, *headers, phase="refresh"):
    with house(dialect, (status, body, *headers)) as there:
        calls = {
            "refresh": lambda: there.server.refresh(Secret("old"), ("a",)),
            "exchange": lambda: there.server.exchange(Secret("code"), REQUEST),
            "account": lambda: there.server.account(Secret("access")),
        }
        with pytest.raises(FarshoreError) as caught:
            calls[phase]()
    assert len(there.calls) == 1
    return caught.value


def error(name, **more):
    return {"error": name, "error_description": SAYS, **more}


def microsoft(number, name="invalid_grant"):
    return error(name, error_codes=[number], trace_id="t", correlation_id="c", timestamp="now")


REFRESH = [
    ("generic", 400, error("invalid_grant"), GrantRevoked),
    ("generic", 400, error("access_denied"), GrantRevoked),
    ("generic", 400, error("invalid_grant") | {"error_description": "Refresh token has expired"}, GrantExpired),
    ("generic", 400, error("invalid_scope"), ScopeMissing),
    ("generic", 401, error("invalid_client"), ProviderMisconfigured),
    ("generic", 400, error("unauthorized_client"), ProviderMisconfigured),
    ("generic", 400, error("unsupported_grant_type"), ProviderMisconfigured),
    ("generic", 400, error("invalid_request"), ProviderMisconfigured),
    ("generic", 400, error("interaction_required"), PolicyBlocked),
    ("generic", 400, error("temporarily_unavailable"), ProviderUnavailable),
    ("generic", 400, error("something_new"), ProviderUnavailable),
    ("generic", 400, {"error": {"code": "invalid_grant"}}, ProviderUnavailable),
    ("generic", 400, {"message": "no"}, ProviderUnavailable),
    ("generic", 403, b"<html>blocked</html>", ProviderUnavailable),
    ("generic", 200, error("invalid_grant"), GrantRevoked),
    ("generic", 500, error("invalid_grant"), ProviderUnavailable),
    ("generic", 503, b"", ProviderUnavailable),
    ("generic", 429, error("invalid_grant"), ProviderUnavailable),
    ("generic", 302, error("invalid_grant"), ProviderUnavailable),
    ("dropbox", 400, error("invalid_grant"), GrantRevoked),
    ("dropbox", 400, {"error": {".tag": "invalid_access_token"}, "error_summary": SAYS}, ProviderUnavailable),
    ("google", 400, error("invalid_grant"), GrantRevoked),
    ("google", 400, error("invalid_grant", error_subtype="invalid_rapt"), PolicyBlocked),
    ("google", 400, error("invalid_grant", error_subtype="rapt_required"), PolicyBlocked),
    ("google", 400, error("admin_policy_enforced"), PolicyBlocked),
    ("google", 401, error("deleted_client"), ProviderMisconfigured),
    ("google", 400, error("internal_failure"), ProviderUnavailable),
    ("google", 500, error("internal_failure"), ProviderUnavailable),
    ("microsoft", 400, microsoft(700082), GrantExpired),
    ("microsoft", 400, microsoft(70008), GrantExpired),
    ("microsoft", 400, microsoft(700084), GrantExpired),
    ("microsoft", 400, microsoft(50173), GrantRevoked),
    ("microsoft", 400, microsoft(70000), GrantRevoked),
    ("microsoft", 400, microsoft(65001), GrantRevoked),
    ("microsoft", 400, microsoft(50076, "interaction_required"), PolicyBlocked),
    ("microsoft", 400, microsoft(53003, "interaction_required"), PolicyBlocked),
    ("microsoft", 400, microsoft(90094, "consent_required"), PolicyBlocked),
    ("microsoft", 401, microsoft(7000215, "invalid_client"), ProviderMisconfigured),
    ("microsoft", 401, microsoft(7000222, "invalid_client"), ProviderMisconfigured),
    ("microsoft", 400, microsoft(70011, "invalid_scope"), ProviderMisconfigured),
    ("microsoft", 400, microsoft(50196), ProviderUnavailable),
    ("microsoft", 400, microsoft(54005), GrantRevoked),
    ("microsoft", 400, microsoft(999999999), GrantRevoked),
    ("microsoft", 400, error("invalid_grant", error_codes="70008"), GrantRevoked),
    ("microsoft", 400, error("invalid_grant", error_codes=[True, "x", None]), GrantRevoked),
]


@pytest.mark.parametrize(("dialect", "status", "body", "meaning"), REFRESH)
def test_a_refused_refresh_means_what_its_house_says(dialect, status, body, meaning):
    told = refusal(dialect, status, body)
    assert type(told) is meaning
    assert "canary" not in f"{told!r}{told}"
    assert told.__cause__ is None


EXCHANGE = [
    ("generic", 400, error("invalid_grant"), CodeRefused),
    ("generic", 400, error("access_denied"), CodeRefused),
    ("generic", 400, error("invalid_scope"), ProviderMisconfigured),
    ("generic", 401, error("invalid_client"), ProviderMisconfigured),
    ("google", 400, error("redirect_uri_mismatch"), ProviderMisconfigured),
    ("microsoft", 400, microsoft(54005), CodeRefused),
    ("microsoft", 400, microsoft(70008), CodeRefused),
    ("microsoft", 400, microsoft(501481), CodeRefused),
    ("microsoft", 400, microsoft(90094, "consent_required"), PolicyBlocked),
    ("dropbox", 400, error("invalid_grant"), CodeRefused),
    ("generic", 502, b"<html>", ProviderUnavailable),
]


@pytest.mark.parametrize(("dialect", "status", "body", "meaning"), EXCHANGE)
def test_a_refused_code_means_what_its_house_says(dialect, status, body, meaning):
    told = refusal(dialect, status, body, phase="exchange")
    assert type(told) is meaning
    assert "canary" not in f"{told!r}{told}"


ACCOUNT = [
    ("generic", 401, {}, (), TokenExpired),
    ("generic", 401, {}, ('WWW-Authenticate: Bearer error="invalid_token"',), TokenExpired),
    ("generic", 403, {}, ('WWW-Authenticate: Bearer error="insufficient_scope", scope="a"',), ScopeMissing),
    ("generic", 403, {"code": "access_denied_insufficient_permissions"}, (), ScopeMissing),
    ("generic", 403, {}, (), PolicyBlocked),
    ("generic", 404, {}, (), ProviderUnavailable),
    ("generic", 302, {}, ("Location: http://169.254.169.254/",), ProviderUnavailable),
    ("generic", 503, {}, (), ProviderUnavailable),
    (
        "google",
        403,
        {"error": {"status": "PERMISSION_DENIED", "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}},
        (),
        ScopeMissing,
    ),
    ("google", 403, {"error": {"errors": [{"reason": "insufficientPermissions"}]}}, (), ScopeMissing),
    ("microsoft", 403, {"error": {"code": "Authorization_RequestDenied"}}, (), ScopeMissing),
    ("microsoft", 401, {"error": {"code": "InvalidAuthenticationToken"}}, (), TokenExpired),
    (
        "microsoft",
        401,
        {},
        ('WWW-Authenticate: Bearer realm="", error="insufficient_claims", claims="e30="',),
        PolicyBlocked,
    ),
    ("dropbox", 401, {"error": {".tag": "expired_access_token"}}, (), TokenExpired),
    ("dropbox", 401, {"error": {".tag": "invalid_access_token"}}, (), TokenExpired),
    ("dropbox", 401, {"error": {".tag": "missing_scope", "required_scope": SAYS}}, (), ScopeMissing),
    ("dropbox", 401, {"error": {".tag": "user_suspended"}}, (), PolicyBlocked),
    ("generic", 200, {"name": "nobody"}, (), ProviderUnavailable),
    ("generic", 200, {"sub": "a\nb"}, (), ProviderUnavailable),
    ("generic", 200, b"<html>", (), ProviderUnavailable),
]


@pytest.mark.parametrize(("dialect", "status", "body", "headers", "meaning"), ACCOUNT)
def test_a_refused_question_means_what_its_house_says(dialect, status, body, headers, meaning):
    told = refusal(dialect, status, body, *headers, phase="account")
    assert type(told) is meaning
    assert "canary" not in f"{told!r}{told}"


@pytest.mark.parametrize(
    ("header", "after"),
    [
        ("Retry-After: 17", 17.0),
        ("Retry-After: 0", 0.0),
        ("Retry-After: 999999999", 86_400.0),
        (f"Retry-After: {NOW.strftime('%a, %d %b %Y')} 12:01:30 GMT", 90.0),
        ("Retry-After: Mon, 04 May 2020 12:00:00 GMT", 0.0),
        ("Retry-After: Mon, 04 May 2099 12:00:00 GMT", 86_400.0),
        ("Retry-After: soon", None),
        ("Retry-After: -5", None),
        ("Retry-After: 1e3", None),
        ("Retry-After: Mon, 04 May 2026 12:01:30", None),
        ("X-Other: 5", None),
    ],
)
@pytest.mark.parametrize("phase", ["refresh", "account"])
def test_the_wait_that_a_busy_house_asks_for_is_passed_on(header, after, phase):
    told = refusal("generic", 429, {}, header, phase=phase)
    assert told.after == after


@pytest.mark.parametrize("dialect", ["generic", "google", "microsoft", "dropbox"])
def test_a_house_that_falls_silent_may_have_acted(dialect):
    with house(dialect) as there, pytest.raises(ProviderUnavailable) as caught:
        there.server.refresh(Secret("old"), ("a",))
    assert caught.value.reached
    assert len(there.calls) == 1


@pytest.mark.parametrize("dialect", ["generic", "google", "microsoft", "dropbox"])
def test_a_house_that_is_not_there_did_not_act(dialect):
    with house(dialect) as there:
        pass
    for call in (lambda: there.server.refresh(Secret("old"), ("a",)), lambda: there.server.account(Secret("a"))):
        with pytest.raises(ProviderUnavailable) as caught:
            call()
        assert not caught.value.reached
