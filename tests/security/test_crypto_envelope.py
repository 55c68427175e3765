"""A sealed value opens in its own place, whole and unchanged, or not at all."""

import hashlib
import hmac
import itertools
import json
import secrets

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.crypto import envelope
from shared.crypto.context import canonical
from shared.crypto.envelope import PLAINTEXT_MAX, seal, unseal
from shared.domain.errors import InvalidInput, SealBroken
from shared.domain.seal import SealContext
from tests.security.crypto_fakes import CONTEXT, DATA, BookOfKeys, CarelessKeys, HonestKeys, contexts

PLAINTEXT = b'{"accountKey":"canary"}'
OPAQUE = SealBroken().args


def refused(sealed: bytes, context: SealContext, keys: object) -> bool:
    """Whether it is refused, with the one opaque answer."""
    try:
        unseal(sealed, context, keys)
    except SealBroken as error:
        found = error
    else:
        return False
    assert found.args == OPAQUE
    assert found.__cause__ is None
    assert found.__context__ is None or found.__suppress_context__
    return True


# ---- the cipher and the form ---------------------------------------------------------------------------------------
WYCHEPROOF = json.loads((DATA / "wycheproof_aes_gcm_256.json").read_text())["tests"]


@pytest.mark.parametrize("vector", WYCHEPROOF, ids=lambda vector: f"tc{vector['tcId']}")
def test_the_cipher_agrees_with_wycheproof(vector: dict[str, str]) -> None:
    key, nonce, aad, plain, body, tag = (
        bytes.fromhex(vector[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
    )
    cipher = envelope._cipher(key)
    if vector["result"] == "valid":
        assert cipher.decrypt(nonce, body + tag, aad) == plain
        assert cipher.encrypt(nonce, plain, aad) == body + tag
    else:
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, body + tag, aad)


def test_the_wycheproof_subset_holds_both_kinds() -> None:
    assert {vector["result"] for vector in WYCHEPROOF} == {"valid", "invalid"}
    assert len(WYCHEPROOF) == 66


FROZEN = json.loads((DATA / "sealed_v1.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", FROZEN, ids=lambda vector: vector["name"])
def test_what_version_1_sealed_opens_for_ever(vector: dict[str, str]) -> None:
    keys = BookOfKeys({bytes.fromhex(vector["wrapped"]): bytes.fromhex(vector["dataKey"])})
    context = SealContext(**vector["context"])
    assert unseal(bytes.fromhex(vector["sealed"]), context, keys).reveal() == bytes.fromhex(vector["plaintext"])


@pytest.mark.parametrize("vector", FROZEN, ids=lambda vector: vector["name"])
def test_version_1_is_what_its_description_says(vector: dict[str, str]) -> None:
    """The form again from its description alone: RFC 5869 spelled out with HMAC, and the bytes put together by hand."""
    data_key, wrapped, nonce, plain = (
        bytes.fromhex(vector[name]) for name in ("dataKey", "wrapped", "nonce", "plaintext")
    )
    names = {**{name: str(value) for name, value in vector["context"].items()}, "format": "1"}
    bound = b"\x01\x01" + b"".join(
        len(raw).to_bytes(4, "big") + raw for name in sorted(names) for raw in (name.encode(), names[name].encode())
    )
    extracted = hmac.digest(nonce, data_key, hashlib.sha512)
    made = hmac.digest(extracted, b"farshore seal" + bound + b"\x01", hashlib.sha512)
    body = AESGCM(made[:32]).encrypt(nonce, plain, bound)
    whole = b"\x01\x01" + len(wrapped).to_bytes(2, "big") + wrapped + nonce + made[32:] + body
    assert whole.hex() == vector["sealed"]


@given(plain=st.binary(max_size=300), names=st.lists(st.text(min_size=1, max_size=20), min_size=5, max_size=5))
@settings(max_examples=60, deadline=None)
def test_what_is_sealed_opens(plain: bytes, names: list[str]) -> None:
    keys, context = HonestKeys(), SealContext(*names)
    sealed = seal(plain, context, keys)
    assert unseal(sealed, context, keys).reveal() == plain
    assert plain not in sealed or len(plain) < 4


def test_the_longest_secret_fits_and_one_byte_more_is_refused() -> None:
    keys = HonestKeys()
    longest = b"x" * PLAINTEXT_MAX
    assert unseal(seal(longest, CONTEXT, keys), CONTEXT, keys).reveal() == longest
    with pytest.raises(InvalidInput):
        seal(longest + b"x", CONTEXT, keys)


def test_the_same_secret_never_looks_the_same_twice() -> None:
    keys = HonestKeys()
    forms = [envelope._parse(seal(PLAINTEXT, CONTEXT, keys)) for _ in range(50)]
    for part in ("wrapped", "nonce", "commitment", "body"):
        assert len({getattr(form, part) for form in forms}) == 50


# ---- changed -------------------------------------------------------------------------------------------------------
def test_every_single_bit_flip_is_refused() -> None:
    keys = HonestKeys()
    sealed = seal(PLAINTEXT, CONTEXT, keys)
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refused(bytes(flipped), CONTEXT, keys), bit


def test_every_truncation_is_refused_at_either_end() -> None:
    keys = HonestKeys()
    sealed = seal(PLAINTEXT, CONTEXT, keys)
    for size in range(len(sealed)):
        assert refused(sealed[:size], CONTEXT, keys), size
        assert refused(sealed[len(sealed) - size :], CONTEXT, keys), size


@pytest.mark.parametrize("more", [b"\0", b"\x01", b"=", b"\0" * 16, b"x" * 70_000])
def test_anything_added_is_refused(more: bytes) -> None:
    keys = HonestKeys()
    sealed = seal(PLAINTEXT, CONTEXT, keys)
    assert refused(sealed + more, CONTEXT, keys)
    assert refused(more + sealed, CONTEXT, keys)
    assert refused(sealed[:60] + more + sealed[60:], CONTEXT, keys)
    assert refused(sealed + sealed, CONTEXT, keys)


@pytest.mark.parametrize("at", [0, 1], ids=["version", "suite"])
def test_no_other_version_or_suite_is_read_nor_its_key_asked_for(at: int) -> None:
    keys = HonestKeys()
    sealed = seal(PLAINTEXT, CONTEXT, keys)
    for value in set(range(256)) - {sealed[at]}:
        changed = bytearray(sealed)
        changed[at] = value
        assert refused(bytes(changed), CONTEXT, keys)
    assert keys.calls["unwrap"] == 0


@pytest.mark.parametrize(
    "plain",
    [b"", b"\x01", b"\x01\x01", b"\x01\x01\0\0", b"\x01\x01\xff\xff", PLAINTEXT, b"null", b"\0" * 300, b"\x01" * 300],
    ids=repr,
)
def test_plaintext_where_a_seal_is_due_is_refused(plain: bytes) -> None:
    assert refused(plain, CONTEXT, HonestKeys())


# ---- moved ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("service", [HonestKeys, CarelessKeys])
def test_a_seal_opens_in_no_other_place_even_if_the_key_service_does_not_look(service: type[HonestKeys]) -> None:
    """Tenant x table x record x field x purpose x sequence: all 64 x 63 ordered pairs."""
    keys = service()
    sealed = {context: seal(PLAINTEXT, context, keys) for context in contexts()}
    assert len(sealed) == 64
    for (_, moved), there in itertools.product(sealed.items(), sealed):
        opened = not refused(moved, there, keys)
        assert opened == (moved is sealed[there])


def test_the_key_service_itself_refuses_another_place() -> None:
    keys = HonestKeys()
    _, wrapped = keys.data_key(CONTEXT.pairs())
    for context in contexts():
        with pytest.raises(SealBroken):
            keys.unwrap(wrapped, context.pairs())


@pytest.mark.parametrize("part", ["wrapped", "nonce", "commitment", "body"])
@pytest.mark.parametrize("service", [HonestKeys, CarelessKeys])
def test_parts_of_two_seals_of_one_place_do_not_mix(service: type[HonestKeys], part: str) -> None:
    """Data keys, nonces, commitments and bodies swapped between an older and a newer value."""
    keys = service()
    one, two = (envelope._parse(seal(plain, CONTEXT, keys)) for plain in (PLAINTEXT, PLAINTEXT[::-1]))
    for mine, theirs in ((one, two), (two, one)):
        parts = {name: getattr(mine, name) for name in ("wrapped", "nonce", "commitment", "body")}
        mixed = envelope._Form(**{**parts, part: getattr(theirs, part)})
        assert refused(mixed.encode(), CONTEXT, keys)


def test_an_older_value_of_a_field_does_not_open_as_the_newer() -> None:
    keys = CarelessKeys()
    older, newer = (SealContext("acme", "integrations", "i", "credentials", "connect", sequence=n) for n in (1, 2))
    old = seal(b"old", older, keys)
    assert unseal(seal(b"new", newer, keys), newer, keys).reveal() == b"new"
    assert refused(old, newer, keys)


AMBIGUOUS = [
    (("a", "bc", "r", "f", "p"), ("ab", "c", "r", "f", "p")),
    (("a", "b", "c|d", "f", "p"), ("a", "b", "c", "d|f", "p")),
    (("t", "x", "r", "f", "p\0q"), ("t", "x", "r", "f\0p", "q")),
    (("t", "x", "r=1,f", "f", "p"), ("t", "x", "r", "1,f=f", "p")),
    (("t", "x", "\0\0\0\1a", "f", "p"), ("t", "x", "\0\0\0\1", "af", "p")),
    (("t", "x", "é", "f", "p"), ("t", "x", "e\u0301", "f", "p")),
    (("T", "x", "r", "f", "p"), ("t", "x", "r", "f", "p")),
    (("t", "x", "r ", "f", "p"), ("t", "x", "r", "f", "p")),
]


@pytest.mark.parametrize(("one", "two"), AMBIGUOUS)
def test_places_that_look_alike_are_kept_apart(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    keys = CarelessKeys()
    here, there = SealContext(*one), SealContext(*two)
    assert canonical(here.pairs()) != canonical(there.pairs())
    assert refused(seal(PLAINTEXT, here, keys), there, keys)
    assert refused(seal(PLAINTEXT, there, keys), here, keys)


MAPS = st.dictionaries(st.text("ab|=\0", max_size=4), st.text("ab|=\0", max_size=4), max_size=4)


@given(one=MAPS, two=MAPS)
@settings(max_examples=200, deadline=None)
def test_canonical_bytes_are_equal_exactly_when_the_maps_are(one: dict[str, str], two: dict[str, str]) -> None:
    assert (canonical(one) == canonical(two)) == (one == two)
    assert canonical(dict(reversed(one.items()))) == canonical(one)


@pytest.mark.parametrize(
    "broken", [{"tenant": ""}, {"record": ""}, {"purpose": ""}, {"field": "x" * 257}, {"sequence": 0}]
)
def test_a_place_without_a_name_is_no_place(broken: dict[str, object]) -> None:
    whole = {"tenant": "t", "table": "x", "record": "r", "field": "f", "purpose": "p"}
    with pytest.raises(InvalidInput):
        SealContext(**{**whole, **broken})


# ---- other keys ----------------------------------------------------------------------------------------------------
def test_another_master_key_opens_nothing() -> None:
    assert refused(seal(PLAINTEXT, CONTEXT, HonestKeys(1)), CONTEXT, HonestKeys(2))


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_data_key_of_the_wrong_size_is_never_used(size: int) -> None:
    keys = BookOfKeys({b"wrapped": b"k" * size})
    with pytest.raises(SealBroken):
        seal(PLAINTEXT, CONTEXT, keys)
    good = seal(PLAINTEXT, CONTEXT, BookOfKeys({b"wrapped": b"k" * 32}))
    assert refused(good, CONTEXT, keys)


def _multiply(x: int, y: int) -> int:
    """In GF(2^128) as GCM spells it (NIST SP 800-38D, 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def _inverse(x: int) -> int:
    result, power = 1 << 127, x
    for bit in range(128):
        if bit:
            result = _multiply(result, power)
        power = _multiply(power, power)
    return result


def _ghash(key: int, blocks: list[int]) -> int:
    total = 0
    for block in blocks:
        total = _multiply(total ^ block, key)
    return total


def _two_key_ciphertext(one: bytes, two: bytes, nonce: bytes, aad: bytes) -> bytes:
    """One block and tag that AES-GCM opens under both keys: the tag is linear in the block, so solve for it."""
    padded = aad + b"\0" * (-len(aad) % 16)
    before = [int.from_bytes(padded[at : at + 16], "big") for at in range(0, len(padded), 16)]
    after = (len(aad) * 8) << 64 | 128
    wanted = factor = 0
    for key in (one, two):
        # GCM of nothing gives E(J0); a zero key stream block is not to be had from the AEAD, so ask the cipher itself.
        h, mask = (int.from_bytes(block, "big") for block in _blocks(key, bytes(16), nonce + b"\0\0\0\1"))
        wanted ^= _ghash(h, [*before, 0, after]) ^ mask
        factor ^= _multiply(h, h)
    block = _multiply(wanted, _inverse(factor))
    h, mask = (int.from_bytes(part, "big") for part in _blocks(one, bytes(16), nonce + b"\0\0\0\1"))
    tag = _ghash(h, [*before, block, after]) ^ mask
    return block.to_bytes(16, "big") + tag.to_bytes(16, "big")


def _blocks(key: bytes, *blocks: bytes) -> list[bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    run = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # one block at a time, to attack GCM
    return [run.update(block) for block in blocks]


def test_a_ciphertext_made_for_two_keys_opens_under_the_committed_one_alone() -> None:
    one, two = b"1" * 32, b"2" * 32
    nonce = secrets.token_bytes(12)
    aad = envelope._associated(CONTEXT)
    (key_one, commitment_one), (key_two, commitment_two) = (envelope._derive(key, nonce, CONTEXT) for key in (one, two))
    body = _two_key_ciphertext(key_one, key_two, nonce, aad)
    opened = [AESGCM(key).decrypt(nonce, body, aad) for key in (key_one, key_two)]
    assert opened[0] != opened[1], "the attack works on plain AES-GCM"

    keys = BookOfKeys({b"one": one, b"two": two})
    for commitment, opens in ((commitment_one, b"one"), (commitment_two, b"two")):
        for wrapped in (b"one", b"two"):
            sealed = envelope._Form(wrapped, nonce, commitment, body).encode()
            assert refused(sealed, CONTEXT, keys) == (wrapped != opens)


def test_the_form_does_not_show_itself() -> None:
    form = envelope._parse(seal(PLAINTEXT, CONTEXT, HonestKeys()))
    assert form.wrapped.hex() not in repr(form)
    assert repr(form.wrapped) not in repr(form)
