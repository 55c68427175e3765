"""How Farshore is told of the simulated houses: its own presets, with this computer's addresses in place of the houses'."""

from urllib.parse import urlsplit

from shared.domain.presets import PRESETS
from shared.domain.provider import Endpoints


def endpoints_at(slug: str, base: str) -> tuple[Endpoints, str | None]:
    """A preset's endpoints and issuer, all at ``base``: the simulators keep the houses' paths."""
    preset = PRESETS[slug]
    if preset.endpoints is None:
        raise ValueError(f"{slug} has no authorization server")
    real = preset.endpoints
    moved = Endpoints(
        authorize=_at(base, real.authorize),
        token=_at(base, real.token),
        revoke=_at(base, real.revoke) if real.revoke else None,
        user_info=_at(base, real.user_info) if real.user_info else None,
    )
    return moved, _at(base, preset.issuer) if preset.issuer else None


def _at(base: str, url: str) -> str:
    return base + urlsplit(url).path
