"""Several master keys: which one is asked, what a refusal means, and that a wrong, disabled or dying key opens nothing.

On moto, with the client corrected to what AWS documents (``key_rings.FaithfulKms``).
"""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from shared.crypto.cache import CachedKeys
from shared.crypto.envelope import rewrapped, seal, unseal
from shared.crypto.kms import KmsKeys
from shared.domain.errors import FarshoreError, Misconfigured, SealBroken, StateUnavailable
from shared.domain.integration import refresh_context
from tests.security.crypto_fakes import RefusingClient
from tests.security.key_rings import FaithfulKms

PLAIN = b"canary-refresh-token"
PLACE = refresh_context("acme", "one", 4)


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaithfulKms]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield FaithfulKms(boto3.client("kms", region_name="us-east-1"))


@pytest.fixture
def ids(kms: FaithfulKms) -> list[str]:
    return [kms.client.create_key()["KeyMetadata"]["KeyId"] for _ in range(3)]


def keys(kms: FaithfulKms, present: str, *former: str) -> KmsKeys:
    return KmsKeys(lambda: kms, present, former)


def test_what_a_former_key_sealed_opens_and_nothing_new_is_sealed_by_it(kms, ids):
    present, first, second = ids
    ring = keys(kms, present, first, second)
    for made_by in ids:
        assert unseal(seal(PLAIN, PLACE, keys(kms, made_by)), PLACE, ring).reveal() == PLAIN
    sealed = seal(PLAIN, PLACE, ring)
    assert unseal(sealed, PLACE, keys(kms, present)).reveal() == PLAIN
    with pytest.raises(SealBroken):
        unseal(sealed, PLACE, keys(kms, first))


def test_a_key_that_is_not_in_the_ring_opens_nothing_even_if_we_had_the_right(kms, ids):
    sealed = seal(PLAIN, PLACE, keys(kms, ids[2]))
    with pytest.raises(SealBroken):
        unseal(sealed, PLACE, keys(kms, ids[0], ids[1]))
    with pytest.raises(SealBroken):
        rewrapped(sealed, PLACE, keys(kms, ids[0], ids[1]))


@pytest.mark.parametrize("state", ["disabled", "pending deletion"])
def test_a_former_key_that_is_switched_off_opens_nothing_until_it_is_back(kms, ids, state):
    present, former, _ = ids
    sealed, ring = seal(PLAIN, PLACE, keys(kms, former)), keys(kms, present, former)
    if state == "disabled":
        kms.client.disable_key(KeyId=former)
    else:
        kms.client.schedule_key_deletion(KeyId=former, PendingWindowInDays=7)
    for act in (unseal, rewrapped):
        with pytest.raises(Misconfigured):
            act(sealed, PLACE, ring)
    if state != "disabled":
        kms.client.cancel_key_deletion(KeyId=former)
    kms.client.enable_key(KeyId=former)
    assert unseal(sealed, PLACE, ring).reveal() == PLAIN


def test_a_present_key_that_is_switched_off_seals_nothing_rather_than_under_another(kms, ids):
    kms.client.disable_key(KeyId=ids[0])
    with pytest.raises(Misconfigured):
        seal(PLAIN, PLACE, keys(kms, ids[0], ids[1]))


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("InvalidCiphertextException", SealBroken),
        ("AccessDeniedException", Misconfigured),
        ("DisabledException", Misconfigured),
        ("KMSInvalidStateException", Misconfigured),
        ("ThrottlingException", StateUnavailable),
        ("KMSInternalException", StateUnavailable),
    ],
)
def test_only_another_keys_blob_leads_on_to_the_next_key(code, meaning):
    """A throttled or forbidden key says nothing of the blob: to go on would turn "later" into "broken"."""
    asked: list[str] = []

    class Client(RefusingClient):
        def decrypt(self, **told: Any) -> Any:
            asked.append(told["KeyId"])
            return super().decrypt()

        def re_encrypt(self, **told: Any) -> Any:
            asked.append(told["SourceKeyId"])
            return self._refuse("ReEncrypt")

    ring = KmsKeys(lambda: Client(code), "present", ["former", "oldest"])
    for act in (ring.unwrap, ring.rewrap):
        asked.clear()
        with pytest.raises(FarshoreError) as refused:
            act(b"wrapped", PLACE.pairs())
        assert type(refused.value) is meaning
        assert asked == ["present"]
        assert "TOLD-BY-PROVIDER" not in str(refused.value)


def test_a_blob_of_no_key_in_the_ring_is_asked_of_each_once_and_refused_like_any_other():
    asked: list[str] = []

    class Client:
        def decrypt(self, **told: Any) -> Any:
            asked.append(told["KeyId"])
            raise ClientError({"Error": {"Code": "IncorrectKeyException", "Message": "key TOLD"}}, "Decrypt")

    with pytest.raises(SealBroken) as refused:
        KmsKeys(Client, "present", ["former", "oldest"]).unwrap(b"wrapped", PLACE.pairs())
    assert asked == ["present", "former", "oldest"]
    assert refused.value.args == SealBroken().args


def test_a_rewrap_throttled_in_the_middle_is_asked_again_later_and_corrupts_nothing(kms, ids):
    present, former, _ = ids
    sealed, ring = seal(PLAIN, PLACE, keys(kms, former)), keys(kms, present, former)

    def throttle(call: str) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, call)

    kms.around = throttle
    with pytest.raises(StateUnavailable):
        rewrapped(sealed, PLACE, ring)
    kms.around = lambda call: None
    assert unseal(sealed, PLACE, ring).reveal() == PLAIN
    assert unseal(rewrapped(sealed, PLACE, ring), PLACE, keys(kms, present)).reveal() == PLAIN


def test_a_rewrap_is_not_answered_from_memory_and_a_rewrapped_value_is_opened_anew(kms, ids):
    present, former, _ = ids
    sealed = seal(PLAIN, PLACE, keys(kms, former))
    cached = CachedKeys(keys(kms, present, former))
    unseal(sealed, PLACE, cached)
    moved = rewrapped(sealed, PLACE, cached)
    kms.calls.clear()
    assert unseal(moved, PLACE, cached).reveal() == PLAIN
    assert unseal(sealed, PLACE, cached).reveal() == PLAIN, "a warm worker still opens what it read before"
    assert kms.calls == ["Decrypt"]


def test_a_seal_under_the_present_key_comes_back_byte_for_byte(kms, ids):
    sealed = seal(PLAIN, PLACE, keys(kms, ids[0]))
    assert rewrapped(sealed, PLACE, keys(kms, ids[0], ids[1])) == sealed


def test_a_key_service_that_answers_a_rewrap_with_nothing_is_not_believed(kms, ids):
    class Empty:
        def rewrap(self, wrapped: bytes, context: Any) -> bytes:
            return b""

    with pytest.raises(SealBroken):
        rewrapped(seal(PLAIN, PLACE, keys(kms, ids[0])), PLACE, Empty())
