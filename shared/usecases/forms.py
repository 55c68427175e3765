"""What each way of signing in to each store wants to be told. Nothing here repeats what a person typed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.domain.errors import InvalidInput
from shared.domain.ids import TenantId
from shared.domain.integration import AuthType, Integration

_MOST = 32
_VALUE_MAX = 8 * 1024
_ALL_MAX = 32 * 1024
_URLS = ("endpoint", "accountUrl")
_KEY_ISSUER = "https://oauth2.googleapis.com/token"


@dataclass(frozen=True, slots=True)
class Form:
    """What one way of signing in to one store wants to be told.

    Attributes:
        settings: names that may be told openly; those in ``needs`` must be.
        secrets: names of credentials, sealed at rest; those in ``needs`` must be given.
        ours: those of ``secrets`` by which the store's owner knows for which tenant we come. Farshore gives each tenant its
            own, ``external_id``: a tenant that could choose would choose another's (AWS IAM user guide, "The confused
            deputy problem").
        operators: whether only an operator may tell it: the store trusts this deployment, and cannot ask for which tenant.
    """

    settings: frozenset[str]
    secrets: frozenset[str]
    needs: frozenset[str]
    ours: frozenset[str] = frozenset()
    operators: bool = False


def _form(settings: str, secrets: str, needs: str, *, ours: str = "", operators: bool = False) -> Form:
    may, sealed, must, given = (frozenset(text.split()) for text in (settings, secrets, needs, ours))
    return Form(may, sealed, must, given, operators)


FORMS: Mapping[tuple[str, AuthType], Form] = MappingProxyType(
    {
        ("s3", "iam_role"): _form("region endpoint encryption roleArn", "externalId", "roleArn", ours="externalId"),
        ("s3", "access_key"): _form(
            "region endpoint encryption", "accessKeyId secretAccessKey sessionToken", "accessKeyId secretAccessKey"
        ),
        ("azure_blob", "connection_string"): _form("", "connectionString", "connectionString"),
        ("azure_blob", "account_key"): _form("accountUrl", "accountKey", "accountUrl accountKey"),
        ("azure_blob", "sas_token"): _form("accountUrl", "sasToken", "accountUrl sasToken"),
        ("azure_blob", "workload_identity"): _form(
            "accountUrl directoryId clientId", "", "accountUrl directoryId clientId", operators=True
        ),
        ("azure_blob", "service_principal"): _form(
            "accountUrl directoryId clientId", "clientSecret", "accountUrl directoryId clientId clientSecret"
        ),
        # Kept on record only: the Azure connector has no delegated sign-in yet and answers NotSupported when it is opened.
        ("azure_blob", "user_ms_identity"): _form("accountUrl directoryId", "", "accountUrl"),
        ("gcs", "service_account"): _form("", "serviceAccountKey", "serviceAccountKey"),
        ("gcs", "workload_identity"): _form("audience serviceAccountEmail", "", "audience", operators=True),
    }
)
"""A store that can be signed in to in a new way is a row here."""

CONSENT = Form(frozenset(), frozenset(), frozenset())
"""``oauth2``, to any store: what it needs comes by consent."""


def form_of(connector: str, auth_type: AuthType) -> Form:
    """Raises InvalidInput: there is no such way to sign in to that store."""
    form = CONSENT if auth_type == "oauth2" else FORMS.get((connector, auth_type))
    if form is None:
        ways = ", ".join(sorted(f"{store} by {way}" for store, way in FORMS))
        raise InvalidInput(f"integrations sign in by oauth2, or to {ways}")
    return form


def external_id(tenant_id: TenantId) -> str:
    """By what the owner of a role or store knows that we come for this tenant. No secret, and no other tenant's ever: ids are not
    given out again.
    """
    return f"farshore-{tenant_id}"


def external_id_at(connector: str, ways: Iterable[AuthType], tenant_id: TenantId) -> str | None:
    """The tenant's, if one of these ways of signing in uses it."""
    return external_id(tenant_id) if any(form_of(connector, way).ours for way in ways) else None


def external_id_of(integration: Integration) -> str | None:
    """The one it is sealed with; None if it uses none, or an operator chose."""
    if integration.provider_id is None:
        return None
    return external_id_at(integration.connector, (integration.auth_type,), integration.tenant_id)


def for_owners(connector: str, ways: Iterable[AuthType]) -> list[AuthType]:
    """Those of the ways to sign in that a tenant's owner may tell."""
    return [way for way in ways if not form_of(connector, way).operators]


def completed(
    connector: str, auth_type: AuthType, credentials: Mapping[str, str], tenant_id: TenantId
) -> Mapping[str, str]:
    """What a tenant's owner told, and what Farshore adds to it.

    Raises:
        InvalidInput: an owner may not tell this; says what to do instead.
    """
    form = form_of(connector, auth_type)
    if form.operators:
        others = ", ".join(sorted(way for (store, way), it in FORMS.items() if store == connector and it.secrets))
        raise InvalidInput(f"only an operator may add this (farshore integration add); sign in by {others} instead")
    if form.ours & credentials.keys():
        names, ours = ", ".join(sorted(form.ours)), external_id(tenant_id)
        raise InvalidInput(f"leave {names} out: it is {ours}, and the role's trust policy has to ask for it")
    return {**credentials, **dict.fromkeys(form.ours, external_id(tenant_id))}


def fits(connector: str, auth_type: AuthType, settings: Mapping[str, str], credentials: Mapping[str, str]) -> None:
    """Returns if they are what this way of signing in wants, no less and no more.

    Raises:
        InvalidInput: they are not; names the fields, never a value.
    """
    form = form_of(connector, auth_type)
    _bounded(settings)
    _bounded(credentials)
    given = settings.keys() | credentials.keys()
    if not form.needs <= given:
        raise InvalidInput(f"the integration needs {', '.join(sorted(form.needs - given))}")
    if not (settings.keys() <= form.settings and credentials.keys() <= form.secrets):
        may = ", ".join(sorted(form.settings | form.secrets)) or "neither settings nor credentials"
        raise InvalidInput(f"it may have {may}, secrets among credentials only")
    if any("?" in settings.get(name, "") or "@" in settings.get(name, "") for name in _URLS):
        raise InvalidInput("accountUrl and endpoint are bare: what signs in goes among the credentials")
    if "serviceAccountKey" in credentials:
        _service_account(credentials["serviceAccountKey"])


def _bounded(told: Mapping[str, str]) -> None:
    """Few and short enough that settings before and after a change fit into one row of the audit trail (DynamoDB: 400 KB)."""
    sizes = [len(value.encode("utf-8", "surrogatepass")) for value in told.values()]
    if not all(0 < size <= _VALUE_MAX for size in sizes):
        raise InvalidInput(f"settings and credentials are texts of 1 to {_VALUE_MAX} bytes")
    if len(sizes) > _MOST or sum(sizes) > _ALL_MAX:
        raise InvalidInput(f"settings, and credentials, are {_MOST} texts of {_ALL_MAX} bytes together at most")


def endpoints(settings: Mapping[str, str], credentials: Mapping[str, str]) -> Iterator[str]:
    """Every URL that a connector would call because these settings say so; the caller checks where they lead."""
    for name in _URLS:
        if name in settings:
            yield settings[name]
    if "connectionString" in credentials:
        yield from _named_in(credentials["connectionString"])


def _named_in(connection_string: str) -> Iterator[str]:
    """The endpoints in an Azure Storage connection string (Azure Storage docs, "Configure Azure Storage connection strings")."""
    pairs = (part.partition("=") for part in connection_string.split(";") if part.strip())
    told = {name.strip().lower(): value.strip() for name, _, value in pairs}
    explicit = [value for name, value in told.items() if name.endswith("endpoint")]
    yield from explicit
    if "blobendpoint" not in told:
        scheme, suffix = told.get("defaultendpointsprotocol", "https"), told.get("endpointsuffix", "core.windows.net")
        yield f"{scheme}://{told.get('accountname', '')}.blob.{suffix}"


def _service_account(key: str) -> None:
    """A key file names the server that its signature is sent to: only Google's own may be there."""
    try:
        told = json.loads(key)
    except ValueError:
        told = None
    sound = isinstance(told, dict) and told.get("type") == "service_account" and told.get("token_uri") == _KEY_ISSUER
    if not sound or not all(isinstance(told.get(name), str) for name in ("client_email", "private_key")):
        raise InvalidInput("serviceAccountKey is the JSON key file of a service account, as Google Cloud gives it out")
