"""``health``: whether the API answers at all; it asks nobody, so that it costs nothing and tells nothing."""

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.answers import answers
from shared.api.schemas.problems import Health


def router() -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37

    @routes.get(
        "/health",
        operation_id="getHealth",
        summary="Whether the API answers",
        tags=["About"],
        responses=answers("It does.", Health),
    )
    def health() -> Health:
        return Health()

    return routes
