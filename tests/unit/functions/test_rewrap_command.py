"""What an operator sees of re-wrapping, and its exit status."""

import argparse
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from functions import rewrap_command
from functions.rewrap_command import Unmoved
from shared.domain.errors import Misconfigured
from tests.security.rewrap_house import VALUES, House


@pytest.fixture
def house() -> House:
    return House()


def run(house: House, *arguments: str):
    parser = argparse.ArgumentParser()
    rewrap_command.register(parser.add_subparsers())
    options = parser.parse_args(["rewrap", *arguments])
    options.actor = "olga"
    return options.run(options, lambda: SimpleNamespace(rewrapping=house.world))


def test_it_says_how_much_it_moved_and_the_trail_says_who_did_it(house, capsys):
    assert run(house) == {"seen": VALUES, "moved": VALUES}
    assert {event.actor.subject for event in house.audit.events("acme")} == {"olga"}
    told = capsys.readouterr()
    assert told.out == "", "standard output is for the answer"
    assert f"{VALUES} seen" in told.err


def test_a_dry_run_says_how_much_still_needs_a_former_key(house):
    assert run(house, "--dry-run") == {"seen": VALUES, "stale": VALUES}
    run(house)
    assert run(house, "--dry-run") == {"seen": VALUES, "stale": 0}


def test_a_run_that_took_up_an_earlier_one_says_so(house):
    house.cursors.saved["rewrap:new"] = "acme"
    assert run(house) == {"seen": 5, "moved": 5, "resumedAfter": "acme"}


def test_seals_that_are_not_ours_are_named_and_the_command_fails(house):
    one = house.integrations.items["acme", "int_key"]
    foreign = house.integrations.items["zeta", "int_key"].credentials
    house.integrations.elsewhere(replace(one, credentials=foreign))
    with pytest.raises(Unmoved) as failed:
        run(house)
    assert "acme/integrations/int_key/credentials" in str(failed.value)
    assert f"1 of {VALUES}" in str(failed.value)


def test_a_key_that_is_switched_off_is_said(house):
    house.old.on = False
    with pytest.raises(Misconfigured):
        run(house)


def test_nothing_it_says_is_a_secret(house, capsys):
    said = json.dumps(run(house)) + "".join(capsys.readouterr())
    assert not [secret for secret in house.before if secret in said]
