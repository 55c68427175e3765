"""A secret never shows itself by accident."""

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback

import pytest

from shared.domain.secret import Secret

CANARY = "canary-7f3a9c"


@dataclasses.dataclass
class Holder:
    secret: Secret[str]


def _spoken() -> list[str]:
    secret = Secret(CANARY)
    holder = Holder(secret)
    try:
        raise RuntimeError("failed with", secret, [secret], {"token": secret})
    except RuntimeError:
        told = traceback.format_exc()
    record = logging.LogRecord("x", logging.DEBUG, "x", 1, "%s %r %s", (secret, secret, holder), None)
    return [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>30}",
        f"{secret:x}",
        "{}".format(secret),  # noqa: UP032 # the old spelling is what is tested
        "%s %r" % (secret, secret),  # noqa: UP031 # the old spelling is what is tested
        repr(holder),
        repr([secret]),
        pprint.pformat({"a": [holder]}),
        repr(dataclasses.asdict(holder)),
        repr(dataclasses.astuple(holder)),
        json.dumps({"a": secret}, default=str),
        json.dumps({"a": secret}, default=repr),
        told,
        record.getMessage(),
        repr(dir(secret)),
    ]


@pytest.mark.parametrize("text", _spoken())
def test_no_way_of_showing_a_secret_shows_it(text: str) -> None:
    assert CANARY not in text


def test_only_reveal_gives_it() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_what_would_write_it_down_refuses() -> None:
    secret = Secret(CANARY)
    for write in (pickle.dumps, json.dumps, vars, iter, len, bytes):
        with pytest.raises(TypeError) as refused:
            write(secret)
        assert CANARY not in str(refused.value)
    with pytest.raises(TypeError):
        secret.__getstate__()


def test_copies_are_the_same_object() -> None:
    secret = Secret([CANARY])
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": secret})["a"] is secret


def test_secrets_compare_with_secrets_only_and_do_not_hash() -> None:
    assert Secret(b"a") == Secret(b"a")
    assert Secret(b"a") != Secret(b"b")
    assert Secret("ü") == Secret("ü")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))
