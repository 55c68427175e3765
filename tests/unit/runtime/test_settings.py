"""Settings: what a deployment says, and a clear word where it says nothing or nonsense."""

import pytest

from shared.domain.errors import Misconfigured
from shared.runtime.settings import Settings, settings_from


def test_each_field_is_its_variable():
    told = settings_from(
        {
            "AWS_REGION": "eu-west-1",
            "FARSHORE_TABLE_PREFIX": "farshore",
            "FARSHORE_JOBS_QUEUE_URL": "https://queue",
            "FARSHORE_JOB_ATTEMPTS": "7",
            "FARSHORE_RETRY_BASE_SECONDS": "0.5",
            "FARSHORE_TRACING": "on",
            "UNRELATED": "x",
        }
    )
    assert told == Settings(
        region="eu-west-1",
        table_prefix="farshore",
        jobs_queue_url="https://queue",
        job_attempts=7,
        retry_base_seconds=0.5,
        tracing="on",
    )


def test_nothing_said_means_the_defaults():
    assert settings_from({}) == Settings()
    assert settings_from({"FARSHORE_SERVICE": ""}) == Settings()


def test_the_older_name_of_the_region_does_too():
    assert settings_from({"AWS_DEFAULT_REGION": "eu-west-1"}).region == "eu-west-1"
    assert settings_from({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}).region == "eu-west-2"


@pytest.mark.parametrize("value", ["many", "0", "-1", "nan", "1.5"])
def test_a_number_that_is_none_is_refused_by_name_and_not_repeated(value):
    with pytest.raises(Misconfigured, match="FARSHORE_JOB_ATTEMPTS") as refusal:
        settings_from({"FARSHORE_JOB_ATTEMPTS": value})
    assert value not in str(refusal.value)


def test_what_is_needed_and_missing_is_named():
    assert Settings(key_id="k").need("key_id") == "k"
    with pytest.raises(Misconfigured, match="set FARSHORE_KEY_ID"):
        Settings().need("key_id")
    with pytest.raises(Misconfigured, match="set AWS_REGION"):
        Settings().need("region")


@pytest.mark.parametrize(("text", "parts"), [("", ()), ("a", ("a",)), (" a , b,,", ("a", "b"))])
def test_a_list_is_its_parts(text, parts):
    assert Settings(return_urls=text).listed("return_urls") == parts
