"""Our signatures are botocore's, for whatever S3 may be asked."""

from datetime import UTC, datetime
from types import SimpleNamespace
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.s3.sigv4 import UNSIGNED, Signer

AT = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
LONG_LIVED = ReadOnlyCredentials("AKIAEXAMPLE", "a/secret+of=forty", None)
SESSION = ReadOnlyCredentials("ASIAEXAMPLE", "another", "a-token==")
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
NAMES = st.from_regex(r"x-amz-meta-[a-z0-9-]{1,10}", fullmatch=True)


def botocores(method, url, headers, rights, region) -> str:
    """The same request's Authorization by botocore."""
    request = AWSRequest(method, url, headers)
    request.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": False})
    with patch("botocore.auth.get_current_datetime", return_value=AT.replace(tzinfo=None)):
        S3SigV4Auth(rights, "s3", region).add_auth(request)
    return request.headers["Authorization"]


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT"]),
    host=st.sampled_from(
        ["https://b.s3.eu-west-1.amazonaws.com", "http://127.0.0.1:9000/b", "https://s3.example:443/b"]
    ),
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    query=st.sampled_from(["", "uploads", "partNumber=7&uploadId=a%2Bb", "versionId=x", "b=2&a=1"]),
    headers=st.dictionaries(NAMES, VALUES, max_size=4),
    rights=st.sampled_from([LONG_LIVED, SESSION]),
)
def test_every_signature_is_botocores(method, host, key, query, headers, rights):
    url = f"{host}/{quote(key, safe='/~')}{'?' * bool(query)}{query}"
    signed = Signer("eu-west-1").sign(method, url, headers, UNSIGNED, rights, AT)
    assert signed["authorization"] == botocores(method, url, headers, rights, "eu-west-1")


def test_what_is_signed_is_what_is_sent():
    signed = Signer("eu-west-1").sign("PUT", "https://h/k", {"if-match": '"t"'}, "0" * 64, SESSION, AT)
    assert signed["host"] == "h"
    assert signed["x-amz-content-sha256"] == "0" * 64
    assert signed["x-amz-date"] == "20261120T123456Z"
    assert signed["x-amz-security-token"] == SESSION.token
    listed = "SignedHeaders=host;if-match;x-amz-content-sha256;x-amz-date;x-amz-security-token,"
    assert listed in signed["authorization"]


@pytest.mark.parametrize("change", [{"day": AT.replace(day=21)}, {"rights": SESSION}])
def test_a_kept_key_serves_no_other_day_and_nobody_else(change):
    signer = Signer("eu-west-1")
    signer.sign("GET", "https://h/k", {}, UNSIGNED, LONG_LIVED, AT)
    day, rights = change.get("day", AT), change.get("rights", LONG_LIVED)
    again = signer.sign("GET", "https://h/k", {}, UNSIGNED, rights, day)
    assert again == Signer("eu-west-1").sign("GET", "https://h/k", {}, UNSIGNED, rights, day)
