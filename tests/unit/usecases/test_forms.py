"""Forms: what each way of signing in may be told, and where that would lead a connector."""

import json
from dataclasses import replace

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.integration import Integration
from shared.usecases.forms import FORMS, completed, endpoints, external_id_of, fits, for_owners
from tests.unit.usecases.test_provision import SERVICE_ACCOUNT


def test_consent_takes_neither_settings_nor_credentials():
    fits("dropbox", "oauth2", {}, {})
    for settings, credentials in (({"endpoint": "https://x"}, {}), ({}, {"accessToken": "x"})):
        with pytest.raises(InvalidInput):
            fits("dropbox", "oauth2", settings, credentials)


@pytest.mark.parametrize(
    "changes",
    [
        {"token_uri": "https://169.254.169.254/token"},
        {"token_uri": "https://oauth2.googleapis.com.example.org/token"},
        {"type": "authorized_user"},
        {"private_key": None},
    ],
)
def test_a_service_accounts_key_is_sent_to_google_only(changes):
    fits("gcs", "service_account", {}, {"serviceAccountKey": json.dumps(SERVICE_ACCOUNT)})
    with pytest.raises(InvalidInput) as refused:
        fits("gcs", "service_account", {}, {"serviceAccountKey": json.dumps(SERVICE_ACCOUNT | changes)})
    assert "canary" not in str(refused.value)
    assert "169.254" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://a.blob.core.windows.net/?sv=1&sig=canary", "https://user:canary@a.example"])
def test_a_setting_is_no_hiding_place_for_a_secret(url):
    with pytest.raises(InvalidInput) as refused:
        fits("azure_blob", "account_key", {"accountUrl": url}, {"accountKey": "k"})
    with pytest.raises(InvalidInput):
        fits("s3", "iam_role", {"endpoint": url, "roleArn": "r"}, {})
    assert "canary" not in str(refused.value)


def test_a_key_that_is_no_json_is_refused_in_our_words():
    for key in ("{", "[]", '"x"', "null"):
        with pytest.raises(InvalidInput):
            fits("gcs", "service_account", {}, {"serviceAccountKey": key})


@pytest.mark.parametrize(
    ("settings", "credentials", "leads_to"),
    [
        ({}, {}, []),
        ({"region": "eu-west-1", "endpoint": "https://minio.example.org"}, {}, ["https://minio.example.org"]),
        ({"accountUrl": "https://a.blob.core.windows.net"}, {}, ["https://a.blob.core.windows.net"]),
        (
            {},
            {"connectionString": "AccountName=a;AccountKey=aa==;EndpointSuffix=core.windows.net"},
            ["https://a.blob.core.windows.net"],
        ),
        (
            {},
            {"connectionString": "DefaultEndpointsProtocol=http;AccountName=x;EndpointSuffix=evil.example"},
            ["http://x.blob.evil.example"],
        ),
        ({}, {"connectionString": "blobendpoint = http://10.0.0.1/a ;AccountName=x"}, ["http://10.0.0.1/a"]),
        (
            {},
            {"connectionString": "QueueEndpoint=http://127.0.0.1;AccountName=x"},
            ["http://127.0.0.1", "https://x.blob.core.windows.net"],
        ),
    ],
)
def test_every_place_that_settings_lead_to_is_known(settings, credentials, leads_to):
    assert list(endpoints(settings, credentials)) == leads_to


def test_settings_are_few_and_short_in_all():
    for told in (dict.fromkeys(map(str, range(33)), "x"), dict.fromkeys(map(str, range(5)), "x" * 8000)):
        for settings, credentials in ((told, {}), ({}, told)):
            with pytest.raises(InvalidInput, match="32768 bytes"):
                fits("s3", "access_key", settings, credentials)


def test_what_an_operator_chose_is_not_told_as_the_tenants_external_id():
    made = Integration("i", "acme", "I", "s3", "iam_role", "backup", None, None, provider_id="prv_s3")
    assert external_id_of(made) == "farshore-acme"
    assert external_id_of(replace(made, provider_id=None)) is None
    assert external_id_of(replace(made, auth_type="access_key")) is None


@pytest.mark.parametrize(("connector", "way"), FORMS)
def test_owners_are_offered_just_what_they_may_tell(connector, way):
    offered = for_owners(connector, [way]) == [way]
    if offered:
        assert completed(connector, way, {}, "acme").keys() == FORMS[connector, way].ours
    else:
        with pytest.raises(InvalidInput):
            completed(connector, way, {}, "acme")
