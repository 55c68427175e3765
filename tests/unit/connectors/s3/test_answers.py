"""S3's answers and names in the domain's words."""

from datetime import UTC, datetime

import pytest

from shared.connectors.s3.answers import attributes_to, head_from, key_of, reported_from
from shared.connectors.s3.headers import from_headers, to_headers
from shared.domain.errors import InvalidName, StoreUnavailable, UnsupportedAttribute
from shared.domain.objects import Attributes
from shared.domain.stamp import Stamp

STAMP = Stamp("a" * 32, "v1", 9, "ae8b14860a799888")
HEADERS = {
    "ETag": '"5d41402abc4b2a76b9719d911017c592"',
    "Last-Modified": "Fri, 20 Nov 2026 12:00:00 GMT",
    "Content-Length": "9",
    "Content-Type": "text/plain",
    "x-amz-checksum-crc64nvme": "rosUhgp5mIg=",
    "x-amz-meta-Owner": "=?UTF-8?B?w7w=?=",
    "x-amz-meta-farshore-stamp": STAMP.text(),
}


def head(**changes: str | None):
    headers = {**HEADERS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return head_from("k", from_headers({name: value for name, value in headers.items() if value is not None}))


def test_a_head_says_all_that_replication_asks():
    found = head()
    assert (found.size, found.tag.value, found.modified) == (
        9,
        "5d41402abc4b2a76b9719d911017c592",
        datetime(2026, 11, 20, 12, tzinfo=UTC),
    )
    assert found.attributes == Attributes(content_type="text/plain", metadata={"owner": "ü"})
    assert found.checksums.values == {"crc64nvme": "ae8b14860a799888"}
    assert found.stamp == STAMP


def test_the_version_is_the_stores_own_or_made_of_tag_time_and_attributes():
    assert head(x_amz_version_id="abc").version == "abc"
    at = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
    for none in ("null", None):
        assert head(x_amz_version_id=none).version.startswith(f"5d41402abc4b2a76b9719d911017c592-{at}-")


@pytest.mark.parametrize(
    "other", [{"content_type": "text/html"}, {"x_amz_meta_owner": "b"}, {"cache_control": "no-store"}]
)
def test_the_same_bytes_with_other_attributes_in_the_same_second_are_another_version(other):
    assert head(x_amz_version_id=None).version == head(x_amz_version_id=None).version != head(**other).version


def test_a_stamp_that_does_not_vouch_for_these_bytes_is_dropped():
    assert head(Content_Length="8").stamp is None
    assert head(x_amz_checksum_crc64nvme="AAAAAAAAAAE=").stamp is None
    assert head(x_amz_checksum_crc64nvme=None).stamp == STAMP


def test_a_composite_checksum_says_nothing_of_the_whole():
    assert head(x_amz_checksum_crc64nvme="rosUhgp5mIg=-3").checksums.values == {}


WHOLE = {
    "crc32": ("y/Q5Jg==", "cbf43926"),
    "crc32c": ("4waSgw==", "e3069283"),
    "sha1": ("98O8HYCOBHMq32eZZczDTKeuNEE=", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
    "sha256": (
        "FeKw19RsojBIvnFKHecrDbl/FzzSi4fbSGBd0gHiU8I=",
        "15e2b0d7d46ca23048be714a1de72b0db97f173cd28b87db48605dd201e253c2",
    ),
}
BY_PARTS = {"ETag": '"5d41402abc4b2a76b9719d911017c592-2"', "x_amz_checksum_crc64nvme": None}


@pytest.mark.parametrize("algorithm", WHOLE)
def test_whatever_checksum_its_writer_chose_is_the_objects(algorithm):
    told, known = WHOLE[algorithm]
    said = {"x_amz_checksum_crc64nvme": None, f"x_amz_checksum_{algorithm}": told}
    for kind in (None, "FULL_OBJECT"):
        assert head(**said, x_amz_checksum_type=kind).checksums.values == {algorithm: known}
    assert head(**BY_PARTS | said, x_amz_checksum_type="FULL_OBJECT").checksums.values == {algorithm: known}


@pytest.mark.parametrize("algorithm", WHOLE)
def test_a_checksum_of_parts_is_never_the_objects(algorithm):
    told = {f"x_amz_checksum_{algorithm}": WHOLE[algorithm][0]}
    suffixed = {f"x_amz_checksum_{algorithm}": f"{WHOLE[algorithm][0]}-2"}
    for composite in (
        told | {"x_amz_checksum_type": "COMPOSITE"},
        suffixed | {"x_amz_checksum_type": "COMPOSITE"},
        suffixed | {"x_amz_checksum_type": "FULL_OBJECT"},
        suffixed,
        told,
    ):
        assert head(**BY_PARTS | composite).checksums.values == {}


@pytest.mark.parametrize("missing", ["ETag", "Last-Modified", "Content-Length"])
def test_an_answer_that_is_not_s3s_is_no_head(missing):
    with pytest.raises(StoreUnavailable):
        head_from("k", from_headers({name: value for name, value in HEADERS.items() if name != missing}))


def test_an_etag_counts_as_md5_only_where_it_is_one():
    md5 = bytes.fromhex("5d41402abc4b2a76b9719d911017c592")
    tagged = {"ETag": HEADERS["ETag"]}
    assert reported_from(tagged).md5 == md5
    assert reported_from(tagged | {"ServerSideEncryption": "AES256"}).md5 == md5
    assert reported_from(tagged | {"ServerSideEncryption": "aws:kms"}).md5 is None
    assert reported_from({"ETag": '"5d41402abc4b2a76b9719d911017c592-2"'}).md5 is None


def test_attributes_come_back_as_they_went():
    given = Attributes("a/b", "gzip", "de", 'attachment; filename="x"', "no-store", {"owner": "ü", "Upper": " edge "})
    sent = to_headers(attributes_to(given, STAMP))
    assert all(value.isascii() for value in sent.values())
    answered = head_from("k", from_headers(HEADERS | sent))
    assert answered.attributes == given
    assert answered.stamp == STAMP


def test_metadata_beyond_s3s_room_is_refused_not_dropped():
    attributes_to(Attributes(metadata={"a": "x" * 1900}), STAMP)
    with pytest.raises(UnsupportedAttribute):
        attributes_to(Attributes(metadata={"a": "x" * 2000}), STAMP)


@pytest.mark.parametrize(
    "path", ["a", "a b+%2B", "/lead", "trail/", "x//y", "a/../b", "a/b/../../c", "...", "é" * 512, "\x01", "..a/.."]
)
def test_every_key_s3_can_hold_is_its_own_name(path):
    assert key_of(path) == path


@pytest.mark.parametrize("path", ["", "é" * 513, "../a", "a/../../b", "..", "\ud800"])
def test_what_s3_cannot_hold_is_refused(path):
    with pytest.raises(InvalidName):
        key_of(path)
