"""The tables, their keys and indexes. ``template.yaml`` declares the same ones; a test holds the two together.

No access path scans, and none needs a key that all of a deployment's traffic would share:

| question | table or index | kind |
|---|---|---|
| copies of this object | replicas, hash ``object`` | one Query |
| not yet replicated on this target | replicas, sparse index ``unsettled`` | one Query |
| a tenant's replicas by key | replicas, index ``by-key`` | one Query a page |
| whose is this object | tenants, hash ``source#connector#bucket`` | one Query, greatest prefix not after the key |
| a tenant's rules; its integrations; one of them | rules, integrations, hash ``tenant`` | one Query; one GetItem |
| whose token is due for a refresh | integrations, sparse index ``due`` | one Query of each of 16 shards |
| a provider; by its slug; all of them | providers, hash ``providers`` or ``slugs`` | one GetItem; two; one Query a page |
| the consent of this ``state`` | flows, hash ``state`` | one GetItem, or one DeleteItem that takes it |
| who may refresh; how often was this asked for | leases, hash ``name`` | one UpdateItem |
| a trail's entries; its head | audit, hash ``tenant`` | one Query a page; one GetItem |
| a tenant's webhooks; what was told to one | webhooks, hash ``place`` | one Query; one Query a page |
| upload sessions a dead worker left on this target | transfers, hash ``place`` | one Query on the sort key's time |

DynamoDB's limits that shape the keys (AWS documentation, "Quotas in Amazon DynamoDB"): a partition key holds 2,048 bytes,
a sort key 1,024, neither may be empty, and one partition takes 1,000 write units a second until it is split for heat.

What is expired is deleted by DynamoDB itself (``expires``, TTL) when it finds the time, which may be days later: readers
compare the time themselves.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, TTLAttribute
from pynamodb.attributes import UnicodeAttribute as Text
from pynamodb.attributes import UTCDateTimeAttribute as Moment
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from shared.state.connection_models import AuditItem, FlowItem, IntegrationItem, LeaseItem, ProviderItem, WebhookItem
from shared.state.items import Item, Raw


def _tenant_with_people(raw: Raw) -> Raw:
    """Format 1 of a tenant knew no owners, members or versions."""
    return {**raw, "owners": {"S": "[]"}, "members": {"S": "[]"}, "version": {"N": "1"}}


class TenantItem(Item):
    """A tenant, twice: under (``tenants``, id), and under its source for ``owner_of``.

    ``pk = tenants, sk = id``: few rows, read through a cache and in order by the sweep, so that one partition suffices.
    ``pk = source#connector#bucket, sk = =prefix``: the claim of a source, with the whole tenant in it so that one Query
    answers. ``=`` because a sort key may not be empty; prefixes keep their order behind it.
    """

    table = "tenants"
    format = 2
    steps: ClassVar[Mapping[int, Callable[[Raw], Raw]]] = {1: _tenant_with_people}

    pk = Text(hash_key=True)
    sk = Text(range_key=True)
    id = Text()
    name = Text()
    connector = Text()
    bucket = Text()
    prefix = Text()
    owners = JSONAttribute()
    members = JSONAttribute()
    version = NumberAttribute()
    created_at = Moment()
    updated_at = Moment(null=True)


class PlaceItem(Item):
    """``pk = source#connector#bucket, sk = !``: counts the claims in one bucket, so that two overlapping ones cannot both win."""

    table = "tenants"

    pk = Text(hash_key=True)
    sk = Text(range_key=True, default="!")
    claims = NumberAttribute(default=0)


class RuleItem(Item):
    """``tenant, rule#id``."""

    table = "rules"

    tenant = Text(hash_key=True)
    sk = Text(range_key=True)
    id = Text()
    target = Text()
    integration = Text()
    container = Text(null=True)
    path = Text()
    prefix = Text()
    suffix = Text()
    on_delete = Text()
    priority = NumberAttribute()
    paused = BooleanAttribute()
    version = NumberAttribute()
    created_at = Moment()


class TargetItem(Item):
    """``tenant, target#name``: a target's name is taken, by this rule. Also the register of targets a tenant ever had."""

    table = "rules"

    tenant = Text(hash_key=True)
    sk = Text(range_key=True)
    rule = Text()


class ByKey(GlobalSecondaryIndex["ReplicaItem"]):  # type: ignore[no-untyped-call]  # so in pynamodb 6.1
    """A tenant's rows ascending by key. A sort key holds 1,024 bytes, exactly an object key's limit, so it is the key itself.

    One tenant's rows share a partition here until DynamoDB splits it by key range; a burst beyond that is throttled,
    retried, and at worst put back on its queue: slower for that tenant alone, never wrong.
    """

    class Meta:
        index_name = "by-key"
        projection = AllProjection()

    tenant = Text(hash_key=True)
    key = Text(range_key=True)


class Unsettled(GlobalSecondaryIndex["ReplicaItem"]):  # type: ignore[no-untyped-call]  # so in pynamodb 6.1
    """Only rows that are pending, copying or failed carry ``unsettled``; small whenever the world is quiet."""

    class Meta:
        index_name = "unsettled"
        projection = AllProjection()

    unsettled = Text(hash_key=True)
    key = Text(range_key=True)


class ReplicaItem(Item):
    """``tenant#key, target``: each object is its own partition, so writes spread as widely as objects do.

    ``unsettled`` is ``tenant#target`` while the row is not settled and absent otherwise. ``seq`` is the padded sequencer,
    which every write compares. Identifiers hold no ``#``, so the joined keys are unambiguous.
    """

    table = "replicas"

    object = Text(hash_key=True)
    target = Text(range_key=True)
    tenant = Text()
    key = Text()
    unsettled = Text(null=True)
    rule = Text()
    status = Text()
    seq = Text()
    updated_at = Moment()
    source_version = Text(null=True)
    source_tag = Text(null=True)
    target_tag = Text(null=True)
    size = NumberAttribute(null=True)
    checksums = JSONAttribute(null=True)
    route = Text(null=True)
    lag = NumberAttribute(null=True)
    attempts = NumberAttribute(default=0)
    bytes_done = NumberAttribute(null=True)
    error_code = Text(null=True)
    error_message = Text(null=True)
    replicated_at = Moment(null=True)

    by_key: ClassVar[ByKey] = ByKey()
    by_unsettled: ClassVar[Unsettled] = Unsettled()


class TransferItem(Item):
    """``tenant#target, time#digest of the path``: an upload session of ours that may be open, the oldest first. Few rows."""

    table = "transfers"

    place = Text(hash_key=True)
    id = Text(range_key=True)
    tenant = Text()
    target = Text()
    path = Text()
    begun_at = Moment()


class CursorItem(Item):
    """``name``: where a walk stands. A walk that nobody continued for a month is forgotten (``expires``, TTL) and begins anew."""

    table = "cursors"

    name = Text(hash_key=True)
    value = Text()
    expires = TTLAttribute()


MODELS: tuple[type[Item], ...] = (
    TenantItem,
    ProviderItem,
    IntegrationItem,
    FlowItem,
    LeaseItem,
    RuleItem,
    ReplicaItem,
    TransferItem,
    AuditItem,
    WebhookItem,
    CursorItem,
)
"""One model of each table: enough to create them all."""
