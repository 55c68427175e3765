"""Secrets in their places: what the core seals and opens, as envelopes under the key service."""

from collections.abc import Callable

from shared.crypto.envelope import seal, unseal
from shared.domain.errors import SealBroken
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret
from shared.ports.world import Keys


class EnvelopeVault:
    """Text sealed by ``envelope``. Thread-safe; costs nothing until first used."""

    def __init__(self, keys: Callable[[], Keys]) -> None:
        """``keys`` is asked for when first needed."""
        self._keys = keys

    def seal(self, secret: Secret[str], context: SealContext) -> Sealed:
        """Sealed for ``context``, with its sequence. One call to the key service.

        Raises:
            InvalidInput: the secret is longer than ``envelope.PLAINTEXT_MAX``.
            StateUnavailable, Misconfigured: from the key service.
        """
        return Sealed(seal(secret.reveal().encode("utf-8", "surrogatepass"), context, self._keys()), context.sequence)

    def open(self, sealed: Sealed, context: SealContext) -> Secret[str]:
        """What was sealed for exactly this context. At most one call to the key service.

        Raises:
            SealBroken: anything is not as it was sealed, the sequence included.
            StateUnavailable, Misconfigured: the key service could not say.
        """
        if sealed.sequence != context.sequence:
            raise SealBroken
        opened = unseal(sealed.box, context, self._keys())
        try:
            return Secret(opened.reveal().decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise SealBroken from None
