"""The composition root: makes each part once, when it is first asked for, from one deployment's settings."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.runtime.connections import Connections
from shared.runtime.logs import cause
from shared.runtime.once import once
from shared.runtime.settings import settings_from
from shared.runtime.world import LambdaDeadline

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver

    from shared.ports.identity import Verifier
    from shared.usecases.plan import Planning
    from shared.usecases.provision import Provisioning
    from shared.usecases.replicate import Replicating
    from shared.usecases.sweep import Sweeping


class Container(Connections):
    """Everything a host needs, lazily. What is never asked for is never imported. Life: the process. Thread-safe."""

    # ---- use cases' worlds ------------------------------------------------------------------------------------------
    @once
    def planning(self) -> "Planning":
        from shared.usecases.plan import Planning

        return Planning(
            tenants=self.tenants,
            rules=self.rules,
            ledger=self.ledger,
            queue=self.jobs,
            clock=self.clock,
            metrics=self.metrics,
        )

    @once
    def replicating(self) -> "Replicating":
        from shared.usecases.replicate import Replicating

        return Replicating(
            tenants=self.tenants,
            rules=self.rules,
            integrations=self.integrations,
            stores=self.stores,
            ledger=self.ledger,
            transfers=self.transfers,
            clock=self.clock,
            metrics=self.metrics,
        )

    @once
    def sweeping(self) -> "Sweeping":
        from shared.usecases.sweep import Sweeping

        return Sweeping(
            tenants=self.tenants,
            rules=self.rules,
            integrations=self.integrations,
            stores=self.stores,
            ledger=self.ledger,
            transfers=self.transfers,
            cursors=self.cursors,
            queue=self.jobs,
            clock=self.clock,
            metrics=self.metrics,
        )

    @once
    def provisioning(self) -> "Provisioning":
        from shared.usecases.provision import Provisioning

        return Provisioning(
            tenants=self.tenants,
            rules=self.rules,
            integrations=self.integrations,
            audit=self.audit,
            vault=self.vault,
            clock=self.clock,
        )

    # ---- the API ----------------------------------------------------------------------------------------------------
    @once
    def verifier(self) -> "Verifier":
        from shared.oauth.bearer import BearerVerifier, Expected
        from shared.runtime.sign_in import NobodySignsIn

        told = self.settings
        if not told.issuer:
            return NobodySignsIn()
        return BearerVerifier(Expected(told.issuer, told.need("audience"), told.role_claim, told.tenants_claim))

    @once
    def api(self) -> "ApiGatewayResolver":
        from shared.api.app import build
        from shared.api.cursor import CursorCodec
        from shared.api.services import Services
        from shared.runtime.sign_in import CursorKeys

        keys = CursorKeys(lambda: self._client("secretsmanager"), self.settings.need("cursor_secret_id"))
        services = Services(
            tenants=self.tenants,
            providers=self.providers,
            integrations=self.integrations,
            ledger=self.ledger,
            audit=self.audit,
            webhooks=self.webhooks,
            limits=self.limits,
            worlds=self,
            verifier=self.verifier,
            cursors=CursorCodec(keys, now=self.clock.now),
            clock=self.clock,
            report=self.report,
            deadline=lambda context: LambdaDeadline(context.get_remaining_time_in_millis),
            public_url=self.settings.public_url.rstrip("/"),
            owner_role=self.settings.owner_role,
            superadmin_role=self.settings.superadmin_role,
        )
        return build(services)

    def report(self, error: BaseException) -> None:
        """Logs what a request was answered with 500 for."""
        self.logger.error("request failed", **cause(error))


@lru_cache(maxsize=1)
def container() -> Container:
    """This process's container, from its environment. Hosts call it inside a handler, never at import."""
    return Container(settings_from(os.environ))
