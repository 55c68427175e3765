"""``docs/errors.md``: every code, its status, what it means, what to do."""

import inspect
import re
from pathlib import Path

import pytest

from shared.api.problems import OWN_CODES, problem_of
from shared.domain import errors
from shared.domain.errors import FarshoreError
from shared.usecases.disconnect import DISCONNECTED, UNREVOKED
from shared.usecases.landing import UNRENEWABLE

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "errors.md").read_text()
ROWS = {code: (int(status), *told) for code, status, *told in re.findall(
    r"^\| `(\w+)` \| (\d{3}) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE
)}  # fmt: skip
TREE = {
    kind.code: kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, FarshoreError) and kind is not FarshoreError
}


def test_the_page_lists_every_code_of_the_tree_and_of_the_api_once_and_no_other():
    listed = re.findall(r"^\| `(\w+)` \| \d{3}", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted([*TREE, *OWN_CODES])


@pytest.mark.parametrize("code", sorted(TREE))
def test_the_page_tells_the_status_that_the_api_answers_with(code):
    kind = TREE[code]
    told = ("one", "two") if kind is errors.NotSupported else ()
    error = kind(*told, **({"after": 1} if kind is errors.TooManyRequests else {}))
    assert ROWS[code][0] == problem_of(error).status


@pytest.mark.parametrize("code", sorted(OWN_CODES))
def test_the_page_tells_the_status_of_the_apis_own_codes(code):
    assert ROWS[code][0] == OWN_CODES[code]


def test_each_row_says_what_it_means_and_what_to_do():
    assert all(len(meaning) > 15 and len(remedy) > 5 for _, meaning, remedy in ROWS.values())


def test_reasons_that_are_no_errors_are_told_too():
    assert set(re.findall(r"^\| `(\w+)` \| (?!\d{3})", PAGE, re.MULTILINE)) == {DISCONNECTED, UNREVOKED, UNRENEWABLE}
