"""The composition root: makes each part once, when it is first asked for, from one deployment's settings."""

import os
from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING, Any

from shared.runtime.backoff import Backoff
from shared.runtime.letters import Letters
from shared.runtime.logs import cause, logger, quiet_libraries
from shared.runtime.metrics import EmfMetrics
from shared.runtime.once import once
from shared.runtime.queues import SqsJobQueue
from shared.runtime.settings import Settings, settings_from
from shared.runtime.tracing import Tracing
from shared.runtime.world import SystemClock, SystemRandomness

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver

    from shared.ports.identity import Verifier
    from shared.ports.state import Audit, Cursors, Integrations, Ledger, Rules, Tenants, Transfers
    from shared.ports.world import Keys, Vault
    from shared.runtime.stores import OpenStores
    from shared.state.tables import Tables
    from shared.usecases.plan import Planning
    from shared.usecases.provision import Provisioning
    from shared.usecases.replicate import Replicating
    from shared.usecases.sweep import Sweeping


class Container:
    """Everything a host needs, lazily. What is never asked for is never imported. Life: the process. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = RLock()
        self.clock = SystemClock()
        self.randomness = SystemRandomness()
        quiet_libraries()  # before anything can be asked of one, whether or not a line of ours is ever logged

    # ---- telling ----------------------------------------------------------------------------------------------------
    @once
    def logger(self) -> "Logger":
        return logger(self.settings.service, self.settings.log_level)

    @once
    def metrics(self) -> EmfMetrics:
        return EmfMetrics(self.settings.service)

    @once
    def tracing(self) -> Tracing:
        return Tracing(self.settings.service, on=self.settings.tracing == "on")

    # ---- state ------------------------------------------------------------------------------------------------------
    @once
    def tables(self) -> "Tables":
        from shared.state.tables import Tables

        return Tables(prefix=self.settings.need("table_prefix"), region=self.settings.need("region"), endpoint=None)

    @once
    def tenants(self) -> "Tenants":
        from shared.state.tenants import DynamoTenants

        return DynamoTenants(self.tables)

    @once
    def rules(self) -> "Rules":
        from shared.state.rules import DynamoRules

        return DynamoRules(self.tables)

    @once
    def integrations(self) -> "Integrations":
        from shared.state.integrations import DynamoIntegrations

        return DynamoIntegrations(self.tables)

    @once
    def ledger(self) -> "Ledger":
        from shared.state.ledger import DynamoLedger

        return DynamoLedger(self.tables)

    @once
    def transfers(self) -> "Transfers":
        from shared.state.transfers import DynamoTransfers

        return DynamoTransfers(self.tables)

    @once
    def cursors(self) -> "Cursors":
        from shared.state.cursors import DynamoCursors

        return DynamoCursors(self.tables)

    @once
    def audit(self) -> "Audit":
        from shared.state.audit import DynamoAudit

        return DynamoAudit(self.tables)

    # ---- queues, keys, stores ---------------------------------------------------------------------------------------
    @once
    def jobs(self) -> SqsJobQueue:
        return SqsJobQueue(lambda: self.sqs, self.settings.need("jobs_queue_url"))

    @once
    def job_letters(self) -> Letters:
        urls = self.settings.need("jobs_queue_url"), self.settings.need("jobs_dlq_url")
        return Letters(lambda: self.sqs, *urls)

    @once
    def event_letters(self) -> Letters:
        urls = self.settings.need("events_queue_url"), self.settings.need("events_dlq_url")
        return Letters(lambda: self.sqs, *urls)

    @once
    def backoff(self) -> Backoff:
        return Backoff(self.settings.retry_base_seconds, self.settings.retry_cap_seconds)

    @once
    def keys(self) -> "Keys":
        from shared.crypto.cache import CachedKeys
        from shared.crypto.kms import KmsKeys

        ring = self.settings.need("key_id"), self.settings.listed("former_key_ids")
        return CachedKeys(KmsKeys(lambda: self._client("kms"), *ring))

    @once
    def vault(self) -> "Vault":
        from shared.crypto.vault import EnvelopeVault

        return EnvelopeVault(lambda: self.keys)

    @once
    def stores(self) -> "OpenStores":
        from shared.runtime.stores import OpenStores

        return OpenStores(self.vault, sts=lambda: self._client("sts"))

    @once
    def sqs(self) -> Any:
        return self._client("sqs")

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
            ledger=self.ledger,
            verifier=self.verifier,
            cursors=CursorCodec(keys, now=self.clock.now),
            report=self.report,
            owner_role=self.settings.owner_role,
        )
        return build(services)

    def report(self, error: BaseException) -> None:
        """Logs what a request was answered with 500 for."""
        self.logger.error("request failed", **cause(error))

    def _client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
        with (
            self.lock
        ):  # boto3's default session makes clients for one thread at a time (boto3 guide, "Multithreading")
            return boto3.client(service, region_name=self.settings.need("region"), config=config)  # type: ignore[call-overload]  # by name


@lru_cache(maxsize=1)
def container() -> Container:
    """This process's container, from its environment. Hosts call it inside a handler, never at import."""
    return Container(settings_from(os.environ))
