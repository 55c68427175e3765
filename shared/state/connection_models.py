"""The tables of what connects tenants to providers: part of ``models``, which says which question each answers."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from pynamodb.attributes import BinaryAttribute, BooleanAttribute, JSONAttribute, NumberAttribute, TTLAttribute
from pynamodb.attributes import UnicodeAttribute as Text
from pynamodb.attributes import UTCDateTimeAttribute as Moment
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from shared.state.items import Item, Raw


def _integration_with_tokens(raw: Raw) -> Raw:
    """Format 1 of an integration had one sealed value, which was never replaced, and no provider or tokens."""
    sealed = {"credentials": raw["sealed"], "credentials_sequence": {"N": "1"}} if "sealed" in raw else {}
    rest = {name: value for name, value in raw.items() if name != "sealed"}
    none = {"scopes_requested": {"S": "[]"}, "scopes_granted": {"S": "[]"}, "created_by": {"S": ""}}
    return {**rest, **sealed, **none, "generation": {"N": "0"}, "failures": {"N": "0"}}


class ProviderItem(Item):
    """``pk = providers, sk = id``: few rows, read through a cache and in order, so that one partition suffices.

    ``uses`` is counted by integrations' transactions and does not touch ``version``: every other write leaves it alone.
    """

    table = "providers"

    pk = Text(hash_key=True)
    sk = Text(range_key=True)
    name = Text()
    slug = Text()
    connector = Text()
    auth_types = JSONAttribute()
    authorize_url = Text(null=True)
    token_url = Text(null=True)
    revoke_url = Text(null=True)
    user_info_url = Text(null=True)
    client_id = Text()
    secret = BinaryAttribute(null=True, legacy_encoding=False)
    secret_sequence = NumberAttribute(null=True)
    scopes = JSONAttribute()
    grant_type = Text()
    token_method = Text()
    pkce = Text()
    authorize_parameters = JSONAttribute()
    issuer = Text(null=True)
    issuer_required = BooleanAttribute()
    dialect = Text()
    rotation = Text()
    idle_days = NumberAttribute(null=True)
    metadata = JSONAttribute()
    enabled = BooleanAttribute()
    version = NumberAttribute()
    uses = NumberAttribute()
    created_by = Text()
    created_at = Moment()
    updated_at = Moment()


class SlugItem(Item):
    """``pk = slugs, sk = slug``: a slug is taken, by this provider."""

    table = "providers"

    pk = Text(hash_key=True, default="slugs")
    sk = Text(range_key=True)
    provider = Text()


class Due(GlobalSecondaryIndex["IntegrationItem"]):  # type: ignore[no-untyped-call]  # so in pynamodb 6.1
    """Only integrations that have a refresh ahead of them, spread over shards so that no partition takes them all."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = Text(hash_key=True)
    due_at = Text(range_key=True)


class IntegrationItem(Item):
    """``tenant, id``. Sealed values are ciphertext, each with its sequence; their contexts are rebuilt from the request, never
    read from here. ``access`` is there if tokens are. ``due_shard`` and ``due_at`` are absent while no refresh is ahead.
    """

    table = "integrations"
    format = 2
    steps: ClassVar[Mapping[int, Callable[[Raw], Raw]]] = {1: _integration_with_tokens}

    tenant = Text(hash_key=True)
    id = Text(range_key=True)
    name = Text()
    connector = Text()
    auth_type = Text()
    container = Text()
    settings = JSONAttribute()
    credentials = BinaryAttribute(null=True, legacy_encoding=False)
    credentials_sequence = NumberAttribute(null=True)
    status = Text()
    reason = Text(null=True)
    is_active = BooleanAttribute()
    version = NumberAttribute()
    provider = Text(null=True)
    generation = NumberAttribute()
    tokens_generation = NumberAttribute(null=True)
    access = BinaryAttribute(null=True, legacy_encoding=False)
    access_sequence = NumberAttribute(null=True)
    renewal = BinaryAttribute(null=True, legacy_encoding=False)  # the refresh token; ``refresh`` is a method of models
    renewal_sequence = NumberAttribute(null=True)
    tokens_expire_at = Moment(null=True)
    account_id = Text(null=True)
    account_name = Text(null=True)
    scopes_requested = JSONAttribute()
    scopes_granted = JSONAttribute()
    connected_at = Moment(null=True)
    last_refreshed_at = Moment(null=True)
    due_shard = Text(null=True)
    due_at = Text(null=True)
    failures = NumberAttribute()
    created_by = Text()
    created_at = Moment()
    updated_at = Moment()

    by_due: ClassVar[Due] = Due()


class FlowItem(Item):
    """``state``, which is the hash of one: a consent under way, until it is taken or over."""

    table = "flows"

    state = Text(hash_key=True)
    browser = Text()
    tenant = Text()
    integration = Text()
    provider = Text()
    user = Text()
    secrets = BinaryAttribute(legacy_encoding=False)
    secrets_sequence = NumberAttribute()
    redirect_uri = Text()
    scopes = JSONAttribute()
    return_to = Text()
    loopback = Text()
    confirmed = BooleanAttribute()
    provider_version = NumberAttribute()
    integration_version = NumberAttribute()
    created_at = Moment()
    expires_at = Moment()
    expires = TTLAttribute()


class LeaseItem(Item):
    """``lease#name``: who may be the only one at something, and until when. It is there until its holder ends it cleanly:
    whoever finds one knows that the holder before did not.
    """

    table = "leases"

    name = Text(hash_key=True)
    holder = Text()
    until = Moment()
    expires = TTLAttribute()


class LimitItem(Item):
    """``limit#name#window``: how often something was done in one window of time."""

    table = "leases"

    name = Text(hash_key=True)
    used = NumberAttribute()
    expires = TTLAttribute()


class AuditItem(Item):
    """``tenant, e#sequence``: an entry of a trail; append only, in order. ``before`` and ``after`` are JSON text,
    so that what was hashed comes back to the letter.

    Its stream (new images) is what the outside is told from. Format 1 had no sequence and its rows have other keys
    (``time#random``): they stay, and no trail lists them.
    """

    table = "audit"
    format = 2

    tenant = Text(hash_key=True)
    id = Text(range_key=True)
    sequence = NumberAttribute()
    at = Moment()
    actor = Text()
    origin = Text()
    action = Text()
    subject = Text()
    outcome = Text()
    before = JSONAttribute(null=True)
    after = JSONAttribute(null=True)
    previous = Text()
    digest = Text()


class HeadItem(Item):
    """``tenant, head``: sequence and hash of a trail's last entry. Whoever appends moves it, in one transaction."""

    table = "audit"

    tenant = Text(hash_key=True)
    id = Text(range_key=True, default="head")
    sequence = NumberAttribute()
    digest = Text()


class WebhookItem(Item):
    """``tenant, id``."""

    table = "webhooks"

    place = Text(hash_key=True)
    id = Text(range_key=True)
    url = Text()
    kinds = JSONAttribute()
    secret = BinaryAttribute(legacy_encoding=False)
    secret_sequence = NumberAttribute()
    former = BinaryAttribute(null=True, legacy_encoding=False)
    former_sequence = NumberAttribute(null=True)
    former_until = Moment(null=True)
    enabled = BooleanAttribute()
    version = NumberAttribute()
    created_by = Text()
    created_at = Moment()
    updated_at = Moment()


class DeliveryItem(Item):
    """``tenant#webhook, time#notice#attempt``: one attempt to tell of something, in order of time; kept for 30 days."""

    table = "webhooks"

    place = Text(hash_key=True)
    id = Text(range_key=True)
    tenant = Text()
    webhook = Text()
    notice = JSONAttribute()
    attempt = NumberAttribute()
    at = Moment()
    status = Text()
    answer = NumberAttribute(null=True)
    error = Text(null=True)
    milliseconds = NumberAttribute()
    expires = TTLAttribute()
