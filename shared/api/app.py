"""Puts the routes together: one set for every host."""

from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver

from shared.api import description, health, replicas
from shared.api.access import Access
from shared.api.http import HttpApi, speak
from shared.api.services import Services
from shared.api.things import PREFIX


def build(services: Services, resolver: ApiGatewayResolver | None = None) -> ApiGatewayResolver:
    """The API on a resolver, by default that of API Gateway's payload 2.0. Asks nothing of the services yet."""
    app = resolver or HttpApi()
    access = Access(services)
    speak(app, services)
    for router in (
        health.router(),
        replicas.router(services, access),
        description.router(lambda: description.document(app)),
    ):
        app.include_router(router, prefix=PREFIX)
    return app
