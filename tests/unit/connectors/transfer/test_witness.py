"""What was read is held against what the source reports, by whichever checksum its writer chose."""

import hashlib
import io
import zlib
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import awscrt.checksums
import pytest

from shared.connectors.transfer import witness
from shared.connectors.transfer.content import BytesContent, StreamContent
from shared.connectors.transfer.crc import crc64, to_hex
from shared.connectors.transfer.parts import Feed, PartPlan
from shared.connectors.transfer.proof import prove_whole
from shared.connectors.transfer.rooms import Rooms
from shared.domain.errors import ChecksumMismatch
from shared.domain.objects import Checksums

PLAN = PartPlan(part_size=10, workers=3)
DATA = bytes(range(95))
SUMS = {
    "crc32": lambda data: f"{zlib.crc32(data):08x}",
    "crc32c": lambda data: f"{awscrt.checksums.crc32c(data):08x}",
    "sha1": lambda data: hashlib.sha1(data).hexdigest(),
    "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    "sha512": lambda data: hashlib.sha512(data).hexdigest(),
}
each = pytest.mark.parametrize("algorithm", SUMS)
sizes = pytest.mark.parametrize("size", [0, 1, 10, 11, 95])


class Filling(BytesContent):
    """A content that reads into the caller's memory."""

    def read_into(self, offset: int, room: memoryview) -> None:
        room[:] = self.data[offset : offset + len(room)]


def contents(data: bytes, reported: Checksums):
    yield BytesContent(data, checksums=reported)
    yield Filling(data, checksums=reported)
    yield StreamContent(io.BytesIO(data), len(data), checksums=reported)
    yield StreamContent(io.BytesIO(data), checksums=reported)


def read(content, plan: PartPlan = PLAN) -> Checksums:
    feed = Feed(content, plan)
    return (feed.whole() or feed.send(lambda part: None)).checksums


@each
@sizes
def test_the_sources_own_algorithm_is_taken_of_what_was_read(algorithm, size):
    data = DATA[:size]
    reported = Checksums({algorithm: SUMS[algorithm](data)})
    for content in contents(data, reported):
        found = read(content)
        assert found.values == {"crc64nvme": to_hex(crc64(data)), **reported.values}
        prove_whole(reported, found)


@each
@pytest.mark.parametrize("size", [1, 95])
def test_a_wrong_byte_in_a_read_is_a_mismatch(algorithm, size):
    data = DATA[:size]
    wrong = bytes([data[0] ^ 1]) + data[1:]
    reported = Checksums({algorithm: SUMS[algorithm](data)})
    for content in contents(wrong, reported):
        with pytest.raises(ChecksumMismatch):
            prove_whole(reported, read(content))


def test_a_source_that_reports_crc64nvme_costs_no_second_pass():
    reported = Checksums({"crc64nvme": to_hex(crc64(DATA)), **dict.fromkeys(SUMS, "00")})
    with patch.object(witness, "crc_of", side_effect=AssertionError), patch.object(hashlib, "new", AssertionError):
        for content in contents(DATA, reported):
            assert set(read(content).values) == {"crc64nvme"}


def test_a_crc_is_preferred_to_what_has_to_be_read_in_order():
    assert set(read(BytesContent(DATA, checksums=Checksums({"sha256": "0", "crc32": "0"}))).values) == {
        "crc64nvme",
        "crc32",
    }


def test_an_md5_is_not_demanded_since_nobody_may_have_checked_it():
    assert set(read(BytesContent(DATA, checksums=Checksums({"md5": "0" * 32}))).values) == {"crc64nvme"}


def test_reading_in_order_takes_no_more_places_and_never_blocks_other_writes():
    reported = Checksums({"sha256": SUMS["sha256"](DATA)})
    with patch("shared.connectors.transfer.parts.ROOMS", Rooms(2, 10)), ThreadPoolExecutor(6) as pool:
        found = list(pool.map(read, [Filling(DATA, checksums=reported) for _ in range(12)], timeout=30))
    assert all(reported.agrees_with(one) for one in found)
