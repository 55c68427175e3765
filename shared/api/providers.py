"""``cloud-providers`` and their presets: an administrator's; ``tenants/{tenant_id}/providers``: what a tenant may choose from."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SIGNED_IN, Access, Administrator, Owner
from shared.api.answers import BODY, CHANGES, ETAG, GUARDED, PLACE, answers, links
from shared.api.etags import IfMatch, expected
from shared.api.lists import LIMIT, Cursor, Limit, page
from shared.api.schemas.closed import secret
from shared.api.schemas.providers import (
    Choice,
    ChoiceList,
    NewProvider,
    Preset,
    PresetList,
    Provider,
    ProviderList,
    ProviderPatch,
    offered,
)
from shared.api.services import Services
from shared.api.things import ProviderPath, TenantPath, gone, known, made, shown
from shared.domain import provider
from shared.domain.ids import ProviderId
from shared.domain.presets import PRESETS
from shared.usecases import providers
from shared.usecases.rounds import rounds

_ALL = "/cloud-providers"
_ONE = f"{_ALL}/<provider_id>"
_TAGS = ["Providers"]
_LINKS = links("provider_id", "getProvider", "changeProvider", "removeProvider")


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    _reading(routes, services, access)
    _changing(routes, services, access)
    _choosing(routes, services, access)
    return routes


def _reading(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        "/cloud-provider-presets",
        operation_id="listProviderPresets",
        summary="Providers that need only a client",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The presets.", PresetList, *GUARDED),
    )
    def list_presets(
        administrator: Annotated[Administrator, Depends(access.administrator)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> PresetList:
        names, following = page(
            services.cursors,
            ("provider-presets",),
            cursor,
            lambda after: sorted(name for name in PRESETS if after is None or name > after),
            limit,
            lambda name: name,
        )
        items = [Preset(preset=name, **offered(PRESETS[name])) for name in names]
        return PresetList(items=items, next_cursor=following)

    @routes.get(
        _ALL,
        operation_id="listProviders",
        summary="All providers",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The providers.", ProviderList, *GUARDED),
    )
    def list_providers(
        administrator: Annotated[Administrator, Depends(access.administrator)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> ProviderList:
        items, following = _page(services, ("providers",), cursor, limit)
        return ProviderList(items=[Provider.of(it, services.public_url) for it in items], next_cursor=following)

    @routes.get(
        _ONE,
        operation_id="getProvider",
        summary="A provider",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The provider.", Provider, *GUARDED, headers=ETAG),
    )
    def get_provider(
        provider_id: ProviderPath, administrator: Annotated[Administrator, Depends(access.administrator)]
    ) -> Response[Provider]:
        it = _fresh(services, provider_id)
        return shown(Provider.of(it, services.public_url), it.version)


def _changing(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        _ALL,
        operation_id="addProvider",
        summary="Make a kind of account available",
        description="Name a preset and your client there, or say everything.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers(
            "The provider.", Provider, *GUARDED, *BODY, 409, status=HTTPStatus.CREATED, headers=PLACE, links=_LINKS
        ),
    )
    def add_provider(
        body: NewProvider, administrator: Annotated[Administrator, Depends(access.administrator)]
    ) -> Response[Provider]:
        preset = body.preset if "preset" in body.model_fields_set else None
        offer = PRESETS.get(preset) if preset else None
        it = providers.add_provider(
            body.changes(offer.authorize_parameters if offer else {}),
            secret(body.client_secret) if "client_secret" in body.model_fields_set else None,
            administrator.actor,
            services.worlds.administration,
            preset,
        )
        return made(Provider.of(it, services.public_url), it.version, "cloud-providers", it.id)

    @routes.patch(
        _ONE,
        operation_id="changeProvider",
        summary="Change a provider",
        description="Consents under way have to be begun again; connections stay.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The provider as it is now.", Provider, *CHANGES, *BODY, headers=ETAG),
    )
    def change_provider(
        provider_id: ProviderPath,
        body: ProviderPatch,
        administrator: Annotated[Administrator, Depends(access.administrator)],
        if_match: IfMatch = None,
    ) -> Response[Provider]:
        version = expected(if_match, lambda: _fresh(services, provider_id).version)
        it = _changed(services, ProviderId(provider_id), body, version, administrator)
        return shown(Provider.of(it, services.public_url), it.version)

    @routes.delete(
        _ONE,
        operation_id="removeProvider",
        summary="Remove a provider",
        description="One that integrations use stays: `in_use`.",
        tags=_TAGS,
        security=SIGNED_IN,
        status_code=HTTPStatus.NO_CONTENT,
        responses=answers("It is gone.", None, *CHANGES, status=HTTPStatus.NO_CONTENT),
    )
    def remove_provider(
        provider_id: ProviderPath,
        administrator: Annotated[Administrator, Depends(access.administrator)],
        if_match: IfMatch = None,
    ) -> Response[None]:
        version = expected(if_match, lambda: _fresh(services, provider_id).version)
        world = services.worlds.administration
        providers.remove_provider(ProviderId(provider_id), version, administrator.actor, world)
        return gone()


def _choosing(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        "/tenants/<tenant_id>/providers",
        operation_id="listChoices",
        summary="What a tenant may connect",
        description="The providers that are enabled, with what is not secret of them.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The providers.", ChoiceList, *GUARDED),
    )
    def list_choices(
        tenant_id: TenantPath,
        owner: Annotated[Owner, Depends(access.owner)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> ChoiceList:
        items, following = _page(services, ("choices", owner.tenant.id), cursor, limit)
        return ChoiceList(items=[Choice.of(it, owner.tenant.id) for it in items if it.enabled], next_cursor=following)


def _page(
    services: Services, scope: tuple[str, ...], cursor: str | None, limit: int
) -> tuple[list[provider.Provider], str | None]:
    items, following = page(
        services.cursors,
        scope,
        cursor,
        lambda after: services.providers.page(after=ProviderId(after) if after else None, limit=limit + 1),
        limit,
        lambda it: it.id,
    )
    return list(items), following


def _changed(
    services: Services, provider_id: ProviderId, body: ProviderPatch, version: int | None, by: Administrator
) -> provider.Provider:
    """Merges the patch into the provider as it is; again if it was changed meanwhile and the caller did not insist."""
    new = secret(body.client_secret) if "client_secret" in body.model_fields_set else None

    def attempt() -> provider.Provider:
        there = _fresh(services, provider_id)
        seen = there.version if version is None and "authorize_parameters" in body.model_fields_set else version
        changes = body.changes(there.authorize_parameters)
        return providers.change_provider(provider_id, changes, new, seen, by.actor, services.worlds.administration)

    return rounds(version, attempt)


def _fresh(services: Services, provider_id: str) -> provider.Provider:
    return known(services.providers.get(ProviderId(provider_id), fresh=True))
