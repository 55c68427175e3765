"""One checksum for S3 and Azure: its values, its combination, its two spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.transfer import crc

CHECK = 0xAE8B14860A799888  # of "123456789", the algorithm's published check value


def test_the_published_check_value():
    assert crc.crc64(b"123456789") == CHECK
    assert crc.crc64(b"") == 0


def test_each_store_reads_its_own_byte_order():
    assert crc.to_s3(CHECK) == "rosUhgp5mIg="
    assert crc.to_azure(CHECK) == "iJh5CoYUi64="
    assert crc.from_s3("rosUhgp5mIg=") == crc.from_azure("iJh5CoYUi64=") == CHECK
    assert crc.from_azure(bytearray.fromhex("8898790a86148bae")) == CHECK


@pytest.mark.parametrize("text", [None, "", "rosUhgp5mIg=-3", "rosU", "not base64!", "AAAA"])
def test_what_is_no_whole_checksum_reads_as_none(text):
    assert crc.from_s3(text) is None
    assert crc.from_azure(text) is None


@given(st.integers(0, 2**64 - 1))
def test_every_spelling_is_reversible(value):
    assert crc.from_s3(crc.to_s3(value)) == value
    assert crc.from_azure(crc.to_azure(value)) == value
    assert crc.from_hex(crc.to_hex(value)) == value
    assert len(crc.to_hex(value)) == 16


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_parts_combine_to_the_whole_without_their_bytes(pieces):
    whole = crc.crc64(b"".join(pieces))
    assert crc.combined((crc.crc64(piece), len(piece)) for piece in pieces) == whole
    running = 0
    for piece in pieces:
        running = crc.crc64(piece, running)
    assert running == whole
