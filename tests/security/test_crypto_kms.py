"""The key service: what it costs, what its refusals mean, and that it is asked as it should be."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from moto import mock_aws

from infra.local.emulators import Emulator, ministack
from shared.crypto.cache import CachedKeys
from shared.crypto.envelope import seal, unseal
from shared.crypto.kms import KmsKeys
from shared.domain.errors import FarshoreError, Misconfigured, SealBroken, StateUnavailable
from shared.domain.retry import Later, Never
from shared.domain.seal import SealContext
from tests.security.crypto_fakes import CONTEXT, HonestKeys, RefusingClient

PLAIN = b"canary-credentials"
OTHER = SealContext("zeta", "integrations", "backup-1", "credentials", "connect")


def client(endpoint: str | None = None, **config: Any) -> Any:
    return boto3.client(
        "kms",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**config),
    )


@pytest.fixture
def kms() -> Iterator[Any]:
    with mock_aws():
        yield client(retries={"total_max_attempts": 5, "mode": "standard"})


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with ministack() as running:
        yield running


def new_key(kms: Any) -> str:
    made: str = kms.create_key()["KeyMetadata"]["KeyId"]
    return made


# ---- cost ----------------------------------------------------------------------------------------------------------
def test_nothing_is_made_before_it_is_needed() -> None:
    KmsKeys(lambda: pytest.fail("a client was made"), "key")


def test_a_seal_costs_one_call_an_opening_one_cold_and_none_warm() -> None:
    service = HonestKeys()
    keys = CachedKeys(service)
    sealed = seal(PLAIN, CONTEXT, keys)
    assert service.calls == {"data_key": 1}
    for _ in range(5):
        assert unseal(sealed, CONTEXT, keys).reveal() == PLAIN
    assert service.calls == {"data_key": 1, "unwrap": 1}


def test_one_client_serves_all_calls(kms: Any) -> None:
    made = []
    keys = KmsKeys(lambda: made.append(1) or kms, new_key(kms))
    for _ in range(3):
        unseal(seal(PLAIN, CONTEXT, keys), CONTEXT, keys)
    assert made == [1]


# ---- the cache -----------------------------------------------------------------------------------------------------
def test_a_kept_key_is_for_its_own_place_only() -> None:
    service = HonestKeys()
    keys = CachedKeys(service)
    sealed = seal(PLAIN, CONTEXT, keys)
    unseal(sealed, CONTEXT, keys)
    for _ in range(2):
        with pytest.raises(SealBroken):
            unseal(sealed, OTHER, keys)
    assert service.calls["unwrap"] == 3, "a refusal is not kept, and the kept key did not serve another place"


def test_a_kept_key_is_forgotten_in_time() -> None:
    now, service = [0.0], HonestKeys()
    keys = CachedKeys(service, lifetime=300, now=lambda: now[0])
    sealed = seal(PLAIN, CONTEXT, keys)
    for at, calls in ((0, 1), (299.9, 1), (300, 2), (599.9, 2), (600, 3)):
        now[0] = at
        unseal(sealed, CONTEXT, keys)
        assert service.calls["unwrap"] == calls


def test_the_least_recently_used_key_goes_first() -> None:
    service = HonestKeys()
    keys = CachedKeys(service, limit=2)
    one, two, three = (seal(PLAIN, CONTEXT, keys) for _ in range(3))
    for sealed, calls in ((one, 1), (two, 2), (one, 2), (three, 3), (one, 3), (two, 4), (three, 5)):
        unseal(sealed, CONTEXT, keys)
        assert service.calls["unwrap"] == calls


def test_the_cache_does_not_show_what_it_keeps() -> None:
    service = HonestKeys()
    keys = CachedKeys(service)
    plain, wrapped = service.data_key(CONTEXT.pairs())
    assert keys.unwrap(wrapped, CONTEXT.pairs()) == plain
    assert repr(plain) not in repr(vars(keys))


# ---- refusals ------------------------------------------------------------------------------------------------------
MEANINGS: list[tuple[str, type[FarshoreError], type[FarshoreError]]] = [
    # code, on Decrypt, on GenerateDataKey
    ("InvalidCiphertextException", SealBroken, Misconfigured),
    ("IncorrectKeyException", SealBroken, Misconfigured),
    ("ValidationException", SealBroken, Misconfigured),
    ("AccessDeniedException", Misconfigured, Misconfigured),
    ("DisabledException", Misconfigured, Misconfigured),
    ("KMSInvalidStateException", Misconfigured, Misconfigured),
    ("NotFoundException", Misconfigured, Misconfigured),
    ("InvalidKeyUsageException", Misconfigured, Misconfigured),
    ("ThrottlingException", StateUnavailable, StateUnavailable),
    ("KMSInternalException", StateUnavailable, StateUnavailable),
    ("DependencyTimeoutException", StateUnavailable, StateUnavailable),
    ("KeyUnavailableException", StateUnavailable, StateUnavailable),
    ("SomethingNobodyKnows", StateUnavailable, StateUnavailable),
]


@pytest.mark.parametrize(("code", "opening", "sealing"), MEANINGS)
def test_each_refusal_has_its_meaning_and_echoes_nothing(
    code: str, opening: type[FarshoreError], sealing: type[FarshoreError]
) -> None:
    keys = KmsKeys(lambda: RefusingClient(code), "key-1")
    for act, meaning in ((lambda: keys.unwrap(b"x", {}), opening), (lambda: keys.data_key({}), sealing)):
        with pytest.raises(FarshoreError) as refused:
            act()
        assert type(refused.value) is meaning
        assert "TOLD-BY-PROVIDER" not in str(refused.value)
        assert refused.value.__suppress_context__
        assert isinstance(refused.value.retry, Later if meaning is StateUnavailable else Never)


def test_a_key_service_that_does_not_answer_is_asked_again_later() -> None:
    keys = KmsKeys(lambda: client("http://127.0.0.1:1", retries={"total_max_attempts": 1}), "key-1")
    with pytest.raises(StateUnavailable):
        keys.unwrap(b"x", {})


def test_a_throttled_key_service_is_asked_again_and_nothing_is_corrupted(
    kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    keys = KmsKeys(lambda: kms, new_key(kms))
    sealed = seal(PLAIN, CONTEXT, keys)
    asked = []

    def throttle(request: Any, **_: Any) -> AWSResponse | None:
        asked.append(request)
        if len(asked) in {1, 2, 4, 5, 6, 7, 8}:
            return _answer(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
        return None

    kms.meta.events.register_first("before-send.kms.Decrypt", throttle)
    assert unseal(sealed, CONTEXT, keys).reveal() == PLAIN
    assert len(asked) == 3
    with pytest.raises(StateUnavailable):
        unseal(sealed, CONTEXT, keys)
    assert unseal(sealed, CONTEXT, keys).reveal() == PLAIN


class _Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.body


def _answer(status: int, body: dict[str, str]) -> AWSResponse:
    headers = {"content-type": "application/x-amz-json-1.1"}
    return AWSResponse("http://kms", status, headers, _Raw(json.dumps(body).encode()))


# ---- the services themselves ---------------------------------------------------------------------------------------
def test_another_kms_key_and_another_context_are_refused(kms: Any) -> None:
    right, wrong = (KmsKeys(lambda: kms, new_key(kms)) for _ in range(2))
    sealed = seal(PLAIN, CONTEXT, right)
    assert unseal(sealed, CONTEXT, right).reveal() == PLAIN
    with pytest.raises((SealBroken, Misconfigured)):  # KMS says IncorrectKeyException, moto AccessDeniedException
        unseal(sealed, CONTEXT, wrong)
    with pytest.raises(SealBroken):
        unseal(sealed, OTHER, right)


def test_what_was_sealed_before_a_rotation_opens_after_it(kms: Any) -> None:
    key = new_key(kms)
    keys = KmsKeys(lambda: kms, key)
    before = seal(PLAIN, CONTEXT, keys)
    kms.rotate_key_on_demand(KeyId=key)
    after = seal(PLAIN, CONTEXT, keys)
    assert [unseal(sealed, CONTEXT, keys).reveal() for sealed in (before, after)] == [PLAIN, PLAIN]


def test_a_disabled_or_dying_key_opens_nothing_until_it_is_back(emulator: Emulator) -> None:
    """On MiniStack: moto still decrypts under both."""
    kms = client(emulator.endpoint)
    key = new_key(kms)
    keys = KmsKeys(lambda: kms, key)
    sealed = seal(PLAIN, CONTEXT, keys)

    def shut() -> None:
        for act in (lambda: unseal(sealed, CONTEXT, keys), lambda: seal(PLAIN, CONTEXT, keys)):
            with pytest.raises(Misconfigured):
                act()

    kms.disable_key(KeyId=key)
    shut()
    kms.enable_key(KeyId=key)
    assert unseal(sealed, CONTEXT, keys).reveal() == PLAIN
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    shut()
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert unseal(sealed, CONTEXT, keys).reveal() == PLAIN


def test_the_other_emulator_binds_the_context_too(emulator: Emulator) -> None:
    kms = client(emulator.endpoint)
    keys = KmsKeys(lambda: kms, new_key(kms))
    sealed = seal(PLAIN, CONTEXT, keys)
    assert unseal(sealed, CONTEXT, keys).reveal() == PLAIN
    with pytest.raises(SealBroken):
        unseal(sealed, OTHER, keys)
