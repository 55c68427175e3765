"""Nothing counts as written that was not verified; every refusal has its verdict."""

from datetime import UTC, datetime

import pytest

from shared.connectors.transfer import faults, proof
from shared.connectors.transfer.content import BytesContent
from shared.connectors.transfer.parts import Feed, PartPlan
from shared.domain.errors import (
    ChecksumMismatch,
    ContainerMissing,
    CredentialsRefused,
    IntegrityUnproven,
    PreconditionFailed,
    QuotaExceeded,
    StoreUnavailable,
    Throttled,
)
from shared.domain.objects import Checksums
from shared.domain.retry import AfterUser, Later, Now

PART = Feed(BytesContent(b"123456789"), PartPlan(100, 1)).whole()
CRC = 0xAE8B14860A799888


@pytest.mark.parametrize(
    "reported",
    [proof.Reported(crc64=CRC), proof.Reported(md5=proof.md5(b"123456789")), proof.Reported(CRC, b"of something else")],
)
def test_an_equal_checksum_proves(reported):
    proof.prove(PART, reported)


@pytest.mark.parametrize("reported", [proof.Reported(crc64=CRC ^ 1), proof.Reported(md5=proof.md5(b"123456780"))])
def test_another_checksum_is_a_mismatch(reported):
    with pytest.raises(ChecksumMismatch):
        proof.prove(PART, reported)


def test_a_store_that_reports_nothing_proves_nothing():
    with pytest.raises(IntegrityUnproven):
        proof.prove(PART, proof.Reported())


def test_the_whole_is_held_against_what_the_source_reports():
    proof.prove_whole(Checksums({"crc64nvme": "ae8b14860a799888"}), PART.checksums)
    proof.prove_whole(Checksums({"md5": "0" * 32}), PART.checksums)
    with pytest.raises(ChecksumMismatch):
        proof.prove_whole(Checksums({"crc64nvme": "0" * 16}), PART.checksums)


CODES = {"SlowDown": Throttled, "NoSuchBucket": ContainerMissing}


@pytest.mark.parametrize(
    ("status", "code", "after", "kind", "verdict"),
    [
        (None, "", None, StoreUnavailable, Later()),
        (500, "", None, StoreUnavailable, Later()),
        (500, "", "7", Throttled, Later(7.0)),
        (418, "Teapot", None, StoreUnavailable, Later()),
        (401, "", None, CredentialsRefused, AfterUser()),
        (403, "", None, CredentialsRefused, AfterUser()),
        (412, "", "7", PreconditionFailed, Now()),
        (507, "", None, QuotaExceeded, AfterUser()),
        (429, "", None, Throttled, Later()),
        (429, "", "7", Throttled, Later(7.0)),
        (503, "SlowDown", "7", Throttled, Later(7.0)),
        (404, "NoSuchBucket", None, ContainerMissing, AfterUser()),
    ],
)
def test_each_refusal_has_its_error_and_verdict(status, code, after, kind, verdict):
    error = faults.fault("s3", status, code, codes=CODES, after=after)
    assert (type(error), error.retry) == (kind, verdict)
    assert "Teapot" not in str(error)


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("0", 0.0),
        ("120", 120.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(text, seconds):
    assert faults.retry_after(text, lambda: NOW) == seconds
