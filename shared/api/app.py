"""Puts the routes together: one set for every host."""

from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver

from shared.api import (
    audit,
    connections,
    description,
    health,
    integrations,
    oauth,
    providers,
    replicas,
    tenants,
    webhooks,
)
from shared.api.access import Access
from shared.api.http import HttpApi, speak
from shared.api.services import Services
from shared.api.things import PREFIX

ROOMS = (providers, tenants, integrations, connections, replicas, webhooks, audit)


def build(services: Services, resolver: ApiGatewayResolver | None = None) -> ApiGatewayResolver:
    """The API on a resolver, by default that of API Gateway's payload 2.0. Asks nothing of the services yet."""
    app = resolver or HttpApi()
    access = Access(services)
    speak(app, services)
    for router in (
        health.router(),
        oauth.router(services, access),
        *(room.router(services, access) for room in ROOMS),
        description.router(lambda: description.document(app)),
    ):
        app.include_router(router, prefix=PREFIX)
    return app
