"""Every place in which Farshore seals something, by the functions that name it: nothing sealed in one opens in another."""

import itertools
from collections.abc import Callable

import pytest

from shared.crypto import envelope
from shared.crypto.rewrapper import EnvelopeRewrapper
from shared.crypto.vault import EnvelopeVault
from shared.domain.errors import SealBroken
from shared.domain.grant import flow_context
from shared.domain.integration import access_context, credentials_context, refresh_context
from shared.domain.notice import webhook_context
from shared.domain.provider import SYSTEM, secret_context
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret
from tests.counts import note
from tests.security.crypto_fakes import CarelessKeys, HonestKeys
from tests.security.key_rings import Master, Ring

OPAQUE = SealBroken().args

OF_TENANTS: dict[str, Callable[[str, str, int], SealContext]] = {
    "credentials": credentials_context,
    "access token": access_context,
    "refresh token": refresh_context,
    "webhook's key": webhook_context,
    "consent": lambda tenant, record, sequence: flow_context(tenant, record),
}


def places() -> dict[SealContext, str]:
    """Two tenants, two records and two values of each kind; the same names wherever they could be confused."""
    found = {}
    for (kind, name), tenant, record, sequence in itertools.product(
        OF_TENANTS.items(), ("acme", "zeta"), ("one", "two"), (1, 2)
    ):
        found[name(tenant, record, sequence)] = kind
    for record, sequence in itertools.product(("one", "two"), (1, 2)):
        found[secret_context(record, sequence)] = "client secret"
    return found


PLACES = places()


def test_each_kind_of_secret_has_places_of_its_own():
    """A consent is sealed once: it has no later values."""
    assert len(PLACES) == 4 * 8 + 4 + 4
    for one, two in itertools.combinations(PLACES, 2):
        if PLACES[one] != PLACES[two]:
            assert (one.table, one.field, one.purpose) != (two.table, two.field, two.purpose)


def test_no_tenant_can_have_the_deployments_own_places():
    assert {place.tenant for place in PLACES if PLACES[place] == "client secret"} == {SYSTEM}
    from shared.domain.errors import InvalidInput
    from shared.domain.ids import identifier

    with pytest.raises(InvalidInput):
        identifier(SYSTEM, "a tenant's id")


def test_an_access_tokens_place_is_not_a_refresh_tokens_so_that_a_worker_may_open_one_and_not_the_other():
    """Roles are held to purposes by KMS's encryption context."""
    purposes = {kind: {place.purpose for place in PLACES if PLACES[place] == kind} for kind in PLACES.values()}
    assert purposes == {
        "credentials": {"connect"},
        "access token": {"use"},
        "refresh token": {"refresh"},
        "webhook's key": {"sign"},
        "consent": {"connect"},
        "client secret": {"connect"},
    }


@pytest.mark.parametrize("service", [HonestKeys, CarelessKeys])
def test_nothing_sealed_in_one_place_opens_in_another(service):
    """All ordered pairs, also with a key service that does not look at the context."""
    keys = service()
    vault = EnvelopeVault(lambda: keys)
    boxes = {place: vault.seal(Secret(f"secret of {place}"), place).box for place in PLACES}
    pairs = 0
    for here, there in itertools.product(boxes, boxes):
        moved = Sealed(boxes[here], there.sequence)  # the forger moves the number along
        if here == there:
            assert vault.open(moved, there).reveal() == f"secret of {here}"
            continue
        pairs += 1
        with pytest.raises(SealBroken) as refused:
            vault.open(moved, there)
        assert refused.value.args == OPAQUE
    note(f"transplants refused ({service.__name__})", f"{pairs} of {len(PLACES) * (len(PLACES) - 1)} ordered pairs")


def test_nothing_is_rewrapped_in_another_place_by_a_key_service_that_looks():
    old, new = Master(1), Master(2)
    before = {place: Sealed(envelope.seal(b"secret", place, Ring(old)), place.sequence) for place in PLACES}
    rewrapper = EnvelopeRewrapper(lambda: Ring(new, old))
    for here, there in itertools.permutations(PLACES, 2):
        with pytest.raises(SealBroken):
            rewrapper.rewrap(Sealed(before[here].box, there.sequence), there)


def test_what_was_transplanted_by_rewrapping_without_looking_opens_nowhere_else_either():
    """The wrapped key is all that changes: commitment and cipher still hold the place."""
    old, new = CarelessMaster(1), CarelessMaster(2)
    here, there = credentials_context("acme", "one", 1), credentials_context("zeta", "one", 1)
    sealed = envelope.seal(b"secret", here, Ring(old))
    moved = envelope.rewrapped(sealed, there, Ring(new, old))
    assert moved != sealed
    with pytest.raises(SealBroken):
        envelope.unseal(moved, there, Ring(new, old))


class CarelessMaster(Master):
    def _bound(self, context):
        return b""


# ---- the vault -----------------------------------------------------------------------------------------------------
def test_the_vault_gives_back_what_it_was_given_whatever_the_text():
    keys, place = HonestKeys(), access_context("acme", "one", 7)
    vault = EnvelopeVault(lambda: keys)
    for text in ("", "x", "é\u2028\0", "\ud800 half a pair", "a" * 60_000):
        assert vault.open(vault.seal(Secret(text), place), place).reveal() == text


def test_an_older_value_of_a_field_put_back_into_a_newer_record_does_not_open():
    keys = CarelessKeys()
    vault = EnvelopeVault(lambda: keys)
    old = vault.seal(Secret("old"), credentials_context("acme", "one", 1))
    newer = credentials_context("acme", "one", 2)
    for forged in (old, Sealed(old.box, 2)):
        with pytest.raises(SealBroken):
            vault.open(forged, newer)


def test_a_sequence_that_does_not_fit_is_refused_before_the_key_service_is_asked():
    keys = HonestKeys()
    vault = EnvelopeVault(lambda: keys)
    sealed = vault.seal(Secret("x"), credentials_context("acme", "one", 1))
    with pytest.raises(SealBroken):
        vault.open(sealed, credentials_context("acme", "one", 2))
    assert keys.calls["unwrap"] == 0


def test_bytes_that_are_no_text_are_a_broken_seal_and_not_an_accident():
    keys, place = HonestKeys(), credentials_context("acme", "one", 1)
    forged = Sealed(envelope.seal(b"\xff\xfe", place, keys), 1)
    with pytest.raises(SealBroken):
        EnvelopeVault(lambda: keys).open(forged, place)
