"""A stamp survives its spelling, and nothing else is one."""

import pytest

from shared.domain.stamp import Stamp, maker_of, origin_of, parse

ORIGIN = origin_of("s3", "bucket", "key")


@pytest.mark.parametrize("crc", [None, "ae8b14860a799888"])
@pytest.mark.parametrize("maker", [None, maker_of("acme", "backup")])
def test_a_stamp_reads_back(crc, maker):
    stamp = Stamp(ORIGIN, "v;1", 9, crc, maker)
    assert parse(stamp.text()) == stamp


def test_a_stamp_says_the_same_of_a_version_whoever_made_the_replica():
    assert Stamp(ORIGIN, "v", 9, None, maker_of("a", "bc")).names_same(Stamp(ORIGIN, "v", 9, None, maker_of("ab", "c")))
    assert maker_of("a", "bc") != maker_of("ab", "c")


@pytest.mark.parametrize("text", ["", f"2;{ORIGIN};9;-;v", f"1;{'a' * 16};{ORIGIN};9;-;v", f"3;{ORIGIN};9;-;v"])
def test_what_is_no_stamp_is_none(text):
    assert parse(text) is None
