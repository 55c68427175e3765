"""Moves seals from one master key to another."""

from collections.abc import Callable

from shared.crypto.envelope import rewrapped
from shared.domain.errors import SealBroken
from shared.domain.seal import SealContext, Sealed
from shared.ports.world import Keys


class EnvelopeRewrapper:
    """ports.world.Rewrapper of ``envelope``'s seals. Costs nothing until first used."""

    def __init__(self, keys: Callable[[], Keys]) -> None:
        """``keys`` is asked for when first needed."""
        self._keys = keys

    def rewrap(self, sealed: Sealed, context: SealContext) -> Sealed:
        """The same secret under the key service's present key, without being opened."""
        if sealed.sequence != context.sequence:
            raise SealBroken
        box = rewrapped(sealed.box, context, self._keys())
        return sealed if box == sealed.box else Sealed(box, sealed.sequence)
