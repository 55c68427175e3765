"""What the API proves things with: the issuer's word for who is asking, and a key of its own for the cursors it gave out."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Never, Protocol

from shared.domain.errors import Misconfigured, Unauthenticated
from shared.runtime.answers import speaking

_SHORTEST = 32  # bytes of a key


class SecretsClient(Protocol):
    """What of a boto3 Secrets Manager client is used."""

    def get_secret_value(self, *, SecretId: str) -> Any: ...  # noqa: N803 # boto3's names


class CursorKeys:
    """The secret that Secrets Manager keeps for cursors; asked for once, when a list first needs it. Thread-safe."""

    def __init__(self, client_factory: Callable[[], SecretsClient], secret_id: str) -> None:
        self._client_factory = client_factory
        self._secret_id = secret_id

    def __call__(self) -> Sequence[bytes]:
        """The keys, the sealing one first.

        Raises:
            StateUnavailable: Secrets Manager does not answer.
            Misconfigured: it refuses, or the secret is too short to be a key.
        """
        return self._keys

    @cached_property
    def _keys(self) -> Sequence[bytes]:
        with speaking("the cursors' key"):
            key: bytes = self._client_factory().get_secret_value(SecretId=self._secret_id)["SecretString"].encode()
        if len(key) < _SHORTEST:
            raise Misconfigured(f"the cursors' key must have {_SHORTEST} characters or more")
        return (key,)


class NobodySignsIn:
    """The verifier of a deployment that names no issuer: every token is a stranger's."""

    def verify(self, token: str) -> Never:
        """Refuses."""
        raise Unauthenticated
