"""What every host is made of: settings, state, queues, keys, stores, and the way out to other people's servers."""

from threading import RLock
from typing import TYPE_CHECKING, Any

from shared.runtime.backoff import Backoff
from shared.runtime.letters import Letters
from shared.runtime.logs import logger, quiet_libraries
from shared.runtime.metrics import EmfMetrics
from shared.runtime.once import once
from shared.runtime.queues import SqsJobQueue
from shared.runtime.settings import Settings
from shared.runtime.tracing import Tracing
from shared.runtime.world import SystemClock, SystemRandomness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger

    from shared.domain.audit import AuditEntry
    from shared.outbound.session import Outbound
    from shared.ports.connections import Audit, DeliveryQueue, Flows, Leases, Limits, Providers, Webhooks
    from shared.ports.oauth import AuthorizationServers, Bus, Courier, Probes
    from shared.ports.state import Cursors, Integrations, Ledger, Rules, Tenants, Transfers
    from shared.ports.world import Keys, RefreshQueue, Vault
    from shared.runtime.stores import OpenStores
    from shared.state.tables import Tables


class Parts:
    """Lazily made: what is never asked for is never imported. Life: the process. Thread-safe."""

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

    @once
    def providers(self) -> "Providers":
        from shared.state.providers import DynamoProviders

        return DynamoProviders(self.tables)

    @once
    def flows(self) -> "Flows":
        from shared.state.flows import DynamoFlows

        return DynamoFlows(self.tables)

    @once
    def leases(self) -> "Leases":
        from shared.state.leases import DynamoLeases

        return DynamoLeases(self.tables)

    @once
    def limits(self) -> "Limits":
        from shared.state.limits import DynamoLimits

        return DynamoLimits(self.tables)

    @once
    def webhooks(self) -> "Webhooks":
        from shared.state.webhooks import DynamoWebhooks

        return DynamoWebhooks(self.tables)

    @once
    def recorded(self) -> "Callable[[Mapping[str, Any]], AuditEntry | None]":
        """Reads an image of the audit table's stream."""
        from shared.state.audit import recorded

        return recorded

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
    def refreshes(self) -> "RefreshQueue":
        from shared.runtime.errands import SqsRefreshQueue

        return SqsRefreshQueue(lambda: self.sqs, self.settings.need("refresh_queue_url"))

    @once
    def refresh_letters(self) -> Letters:
        urls = self.settings.need("refresh_queue_url"), self.settings.need("refresh_dlq_url")
        return Letters(lambda: self.sqs, *urls)

    @once
    def deliveries(self) -> "DeliveryQueue":
        from shared.runtime.errands import SqsDeliveryQueue

        return SqsDeliveryQueue(lambda: self.sqs, self.settings.need("deliveries_queue_url"))

    @once
    def delivery_letters(self) -> Letters:
        urls = self.settings.need("deliveries_queue_url"), self.settings.need("deliveries_dlq_url")
        return Letters(lambda: self.sqs, *urls)

    @once
    def bus(self) -> "Bus":
        from shared.runtime.bus import EventBridgeBus

        return EventBridgeBus(lambda: self._client("events"), self.settings.need("event_bus"))

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

    # ---- the world outside ------------------------------------------------------------------------------------------
    @once
    def outbound(self) -> "Outbound":
        from shared.outbound.session import Outbound

        return Outbound(self._private_hosts)

    @once
    def servers(self) -> "AuthorizationServers":
        from shared.oauth.servers import Servers

        return Servers(http=self.outbound, clock=self.clock)

    @once
    def courier(self) -> "Courier":
        from shared.outbound.courier import WebhookCourier

        return WebhookCourier(lambda: self.outbound, self.clock)

    @once
    def probes(self) -> "Probes":
        from shared.runtime.probes import StoreProbes

        return StoreProbes(self.stores)

    @once
    def check_url(self) -> "Callable[[str], None]":
        """Refuses URLs that must not be called, as ``outbound.urls`` says."""
        from shared.outbound.urls import check_url

        hosts = self._private_hosts
        return lambda url: check_url(url, hosts)

    @once
    def _private_hosts(self) -> frozenset[str]:
        from shared.outbound.urls import private_hosts

        return private_hosts(self.settings.private_hosts)

    def _client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
        with (
            self.lock
        ):  # boto3's default session makes clients for one thread at a time (boto3 guide, "Multithreading")
            return boto3.client(service, region_name=self.settings.need("region"), config=config)  # type: ignore[call-overload]  # by name
