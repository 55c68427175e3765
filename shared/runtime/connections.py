"""The worlds of the use cases that connect tenants to providers, and tell of it."""

from typing import TYPE_CHECKING

from shared.runtime.once import once
from shared.runtime.parts import Parts

if TYPE_CHECKING:
    from shared.usecases.check import Checking
    from shared.usecases.connect import Connecting
    from shared.usecases.deliver import Delivering
    from shared.usecases.disconnect import Disconnecting
    from shared.usecases.integrations import Managing
    from shared.usecases.notices import Announcing
    from shared.usecases.providers import Administration
    from shared.usecases.refresh import Refreshing
    from shared.usecases.refresh_due import Timing
    from shared.usecases.rewrap import Rewrapping
    from shared.usecases.tenancy import Tenancy
    from shared.usecases.webhooks import Hooks


class Connections(Parts):
    """One world for each; a function makes those that its routes or messages come to."""

    @once
    def administration(self) -> "Administration":
        from shared.usecases.providers import Administration

        return Administration(
            providers=self.providers,
            vault=self.vault,
            clock=self.clock,
            randomness=self.randomness,
            check_url=self.check_url,
        )

    @once
    def tenancy(self) -> "Tenancy":
        from shared.usecases.tenancy import Tenancy

        return Tenancy(
            tenants=self.tenants,
            rules=self.rules,
            integrations=self.integrations,
            webhooks=self.webhooks,
            audit=self.audit,
            clock=self.clock,
            randomness=self.randomness,
        )

    @once
    def managing(self) -> "Managing":
        from shared.usecases.integrations import Managing

        return Managing(
            tenants=self.tenants,
            providers=self.providers,
            integrations=self.integrations,
            rules=self.rules,
            vault=self.vault,
            clock=self.clock,
            randomness=self.randomness,
            check_url=self.check_url,
        )

    @once
    def connecting(self) -> "Connecting":
        from shared.usecases.connect import Connecting

        return Connecting(
            tenants=self.tenants,
            providers=self.providers,
            integrations=self.integrations,
            flows=self.flows,
            vault=self.vault,
            servers=self.servers,
            audit=self.audit,
            clock=self.clock,
            randomness=self.randomness,
            metrics=self.metrics,
            public_url=self.settings.need("public_url").rstrip("/"),
            return_urls=self.settings.listed("return_urls"),
        )

    @once
    def disconnecting(self) -> "Disconnecting":
        from shared.usecases.disconnect import Disconnecting

        return Disconnecting(
            integrations=self.integrations,
            providers=self.providers,
            rules=self.rules,
            vault=self.vault,
            servers=self.servers,
            clock=self.clock,
            audit=self.audit,
        )

    @once
    def refreshing(self) -> "Refreshing":
        from shared.usecases.refresh import Refreshing

        return Refreshing(
            integrations=self.integrations,
            providers=self.providers,
            leases=self.leases,
            vault=self.vault,
            servers=self.servers,
            clock=self.clock,
            randomness=self.randomness,
            metrics=self.metrics,
        )

    @once
    def timing(self) -> "Timing":
        from shared.usecases.refresh_due import Timing

        return Timing(
            integrations=self.integrations,
            queue=self.refreshes,
            clock=self.clock,
            randomness=self.randomness,
            metrics=self.metrics,
        )

    @once
    def checking(self) -> "Checking":
        from shared.usecases.check import Checking

        return Checking(
            integrations=self.integrations,
            providers=self.providers,
            refreshing=self.refreshing,
            servers=self.servers,
            vault=self.vault,
            probes=self.probes,
            audit=self.audit,
            clock=self.clock,
        )

    @once
    def hooks(self) -> "Hooks":
        from shared.usecases.webhooks import Hooks

        return Hooks(
            webhooks=self.webhooks,
            vault=self.vault,
            clock=self.clock,
            randomness=self.randomness,
            check_url=self.check_url,
        )

    @once
    def announcing(self) -> "Announcing":
        from shared.usecases.notices import Announcing

        return Announcing(bus=self.bus, webhooks=self.webhooks, deliveries=self.deliveries)

    @once
    def delivering(self) -> "Delivering":
        from shared.usecases.deliver import Delivering

        return Delivering(
            webhooks=self.webhooks,
            vault=self.vault,
            courier=self.courier,
            clock=self.clock,
            metrics=self.metrics,
        )

    @once
    def rewrapping(self) -> "Rewrapping":
        from shared.crypto.rewrapper import EnvelopeRewrapper
        from shared.usecases.rewrap import Rewrapping

        return Rewrapping(
            tenants=self.tenants,
            providers=self.providers,
            integrations=self.integrations,
            webhooks=self.webhooks,
            keys=EnvelopeRewrapper(lambda: self.keys),
            cursors=self.cursors,
            clock=self.clock,
            current=self.settings.need("key_id"),
        )
