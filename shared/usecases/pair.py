"""The two ends of a job, and what each version found there is called."""

from dataclasses import dataclass, replace

from shared.domain.errors import CredentialsRefused, ForeignEvent, NotFound, StoreUnavailable
from shared.domain.event import Job
from shared.domain.objects import ObjectHead
from shared.domain.rule import Rule
from shared.domain.stamp import Stamp, maker_of, origin_of
from shared.domain.tenant import Tenant
from shared.ports.state import Integrations, Rules, Tenants
from shared.ports.stores import SourceStore, Stores, TargetStore


@dataclass(frozen=True, slots=True)
class Pair:
    """A key at its source and a path on its target, with the rule that binds them."""

    rule: Rule
    key: str
    path: str
    source: SourceStore
    target: TargetStore

    def right(self, here: ObjectHead | None, there: ObjectHead | None) -> bool:
        """Whether the target, as seen before the source, needs nothing.

        With a source: the target holds this version already, or the source's object must not travel (``_echo``). Without
        one: there is nothing to remove, the rule keeps replicas, or what is there is no replica of this pair. A delete removes
        copies that Farshore made for it; it never destroys an original, somebody's own object, the other half of a ring, or
        what another target keeps under the same name.
        """
        if here is None:
            return self.rule.on_delete == "keep" or there is None or there.stamp is None or self.taken(None, there)
        name = self.name(here)
        return self._echo(name) or (there is not None and self._holds(here, there, name))

    def name(self, here: ObjectHead) -> Stamp:
        """What to call the source's version: the stamp to put on its replica. In rings and chains it is the origin's."""
        return replace(_identity(self.source, self.key, here), maker=self._maker)

    def taken(self, here: ObjectHead | None, there: ObjectHead | None) -> bool:
        """Whether what is on the target is a replica of another object, made for another target that shares the container.

        To replace it would leave the other target's ledger claiming a copy that is gone, and have the two go on replacing
        each other's. Several ways to one name from one origin (a diamond) are no collision.
        """
        stamp = there.stamp if there else None
        if stamp is None or stamp.maker in (None, self._maker):
            return False
        own = origin_of(self.source.service, self.source.container, self.key)
        return stamp.origin != own and (here is None or stamp.origin != self.name(here).origin)

    @property
    def _maker(self) -> str:
        return maker_of(self.rule.tenant_id, self.rule.target.name)

    def _holds(self, here: ObjectHead, there: ObjectHead, name: Stamp) -> bool:
        """Whether the target says that it has this version, and no checksum that both ends report says otherwise.

        A stamp may know no checksum, or another than the target reports: then it cannot tell an edit that kept it.
        """
        same = name.names_same(_identity(self.target, self.path, there))
        return same and here.checksums.agrees_with(there.checksums) is not False

    def _echo(self, name: Stamp) -> bool:
        """Whether the source's object is a copy that came from its target, or from beside it.

        A copy never goes home: the original there is as new or newer, or was deleted on purpose. And a copy made within
        one container is not copied within it again, or a rule whose target lies in its own source would never rest.
        """
        own = origin_of(self.source.service, self.source.container, self.key)
        beside = (self.source.service, self.source.container) == (self.target.service, self.target.container)
        home = origin_of(self.target.service, self.target.container, self.path)
        return name.origin != own and (beside or name.origin == home)


def _identity(store: SourceStore, path: str, head: ObjectHead) -> Stamp:
    """The version an object is: its stamp's, if it is a copy from elsewhere; else its own."""
    own = origin_of(store.service, store.container, path)
    if head.stamp is not None and head.stamp.origin != own:
        return head.stamp
    return Stamp(own, head.version, head.size, head.checksums.values.get("crc64nvme"))


def rule_of(job: Job, tenants: Tenants, rules: Rules) -> tuple[Tenant, Rule]:
    """The tenant and rule behind a job, if they still stand behind it.

    Raises:
        NotFound: the tenant or rule is gone, or the rule speaks of other keys or another target now.
        ForeignEvent: the key is outside the tenant's own source.
    """
    tenant = tenants.get(job.tenant_id)
    if tenant is None:
        raise NotFound("the job's tenant no longer exists")
    if not tenant.source.holds(tenant.source.connector, tenant.source.bucket, job.key):
        raise ForeignEvent("the job names an object outside its tenant's source")
    rule = rules.get(job.tenant_id, job.rule_id)
    if rule is None or rule.target.name != job.target or not rule.matches(job.key):
        raise NotFound("no rule sends this object to this target any more")
    return tenant, rule


def pair_of(key: str, tenant: Tenant, rule: Rule, integrations: Integrations, stores: Stores) -> Pair:
    """Opens both ends.

    Raises:
        CredentialsRefused: the target's integration is gone, or not active: its owner has to connect it again.
        StoreUnavailable: its tokens could not be renewed in time; that is tried again by itself.
        SealBroken, Misconfigured, StateUnavailable: from ``Stores``.
    """
    integration = integrations.get(tenant.id, rule.target.integration_id)
    if integration is not None and integration.is_active and integration.waiting:
        raise StoreUnavailable("the target's tokens are over and are being renewed")
    if integration is None or not integration.usable:
        raise CredentialsRefused("the target's integration is not active; connect it again")
    return Pair(
        rule=rule,
        key=key,
        path=rule.target.path_of(key, tenant.source.prefix, tenant.id),
        source=stores.source(tenant.source),
        target=stores.target(integration, rule.target.container),
    )
