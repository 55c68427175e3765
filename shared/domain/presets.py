"""What is known of the houses that many tenants keep files with: an administrator adds a client id and a secret, or less.

Facts come from the houses' own documentation of OAuth ("Using OAuth 2.0 for Web Server Applications" for Google, "OAuth 2.0
authorization code flow" for Microsoft, "OAuth Guide" for Dropbox, "Authentication" for Box) and from their SDKs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from shared.domain.integration import AuthType
from shared.domain.provider import Dialect, Endpoints, Metadata, Rotation, TokenMethod


@dataclass(frozen=True, slots=True)
class Preset:
    """The beginnings of a provider; each field is that of ``Provider``, and any may be overridden."""

    name: str
    slug: str
    connector: str
    auth_types: tuple[AuthType, ...]
    metadata: Metadata
    endpoints: Endpoints | None = None
    scopes: tuple[str, ...] = ()
    token_method: TokenMethod = "POST"  # noqa: S105 # no password
    authorize_parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    issuer: str | None = None
    issuer_required: bool = False
    dialect: Dialect = "generic"
    rotation: Rotation = "static"
    idle_days: int | None = None


_MICROSOFT = Endpoints(
    authorize="https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    token="https://login.microsoftonline.com/common/oauth2/v2.0/token",  # noqa: S106 # no password
    user_info="https://graph.microsoft.com/v1.0/me",
)
_MICROSOFT_ISSUER = "https://login.microsoftonline.com/{tid}/v2.0"
_SIGN_IN = ("openid", "profile", "offline_access", "User.Read")

DROPBOX = Preset(
    name="Dropbox",
    slug="dropbox",
    connector="dropbox",
    auth_types=("oauth2",),
    endpoints=Endpoints(
        authorize="https://www.dropbox.com/oauth2/authorize",
        token="https://api.dropboxapi.com/oauth2/token",  # noqa: S106 # no password
        revoke="https://api.dropboxapi.com/2/auth/token/revoke",
        user_info="https://api.dropboxapi.com/2/users/get_current_account",
    ),
    scopes=(
        "account_info.read",
        "files.metadata.read",
        "files.metadata.write",
        "files.content.read",
        "files.content.write",
    ),
    authorize_parameters=MappingProxyType({"token_access_type": "offline"}),
    dialect="dropbox",
    metadata=Metadata(
        "dropbox", "#0061ff", "Connect your Dropbox account", "Business plans only", ("us", "eu", "jp", "au")
    ),
)
"""Refresh tokens neither expire nor rotate. A registration as "App folder" narrows it to one folder."""

GOOGLE_DRIVE = Preset(
    name="Google Drive",
    slug="google-drive",
    connector="google_drive",
    auth_types=("oauth2",),
    endpoints=Endpoints(
        authorize="https://accounts.google.com/o/oauth2/v2/auth",
        token="https://oauth2.googleapis.com/token",  # noqa: S106 # no password
        revoke="https://oauth2.googleapis.com/revoke",
        user_info="https://openidconnect.googleapis.com/v1/userinfo",
    ),
    scopes=("openid", "email", "https://www.googleapis.com/auth/drive.file"),
    authorize_parameters=MappingProxyType({"access_type": "offline", "prompt": "consent"}),
    issuer="https://accounts.google.com",
    dialect="google",
    idle_days=180,
    metadata=Metadata("google-drive", "#1a73e8", "Connect your Google Drive", "yes", ("us", "eu")),
)
"""``drive.file`` reaches only what this client made or the user opened with it: enough to keep replicas. Without
``prompt=consent`` a second grant brings no refresh token. An unused grant dies after six months."""

ONEDRIVE = Preset(
    name="OneDrive",
    slug="onedrive",
    connector="onedrive",
    auth_types=("oauth2",),
    endpoints=_MICROSOFT,
    scopes=(*_SIGN_IN, "Files.ReadWrite"),
    issuer=_MICROSOFT_ISSUER,
    dialect="microsoft",
    rotation="sliding",
    idle_days=90,
    metadata=Metadata("onedrive", "#0364b8", "Connect your OneDrive", "yes, for Microsoft 365", ()),
)
"""Each refresh brings a new refresh token and leaves the old one alive; 90 days unused end it. It cannot be revoked from
outside: the user removes the app in the account."""

SHAREPOINT = Preset(
    name="SharePoint",
    slug="sharepoint",
    connector="sharepoint",
    auth_types=("oauth2",),
    endpoints=_MICROSOFT,
    scopes=(*_SIGN_IN, "Sites.Selected"),
    issuer=_MICROSOFT_ISSUER,
    dialect="microsoft",
    rotation="sliding",
    idle_days=90,
    metadata=Metadata("sharepoint", "#03787c", "Connect a SharePoint site", "yes, for Microsoft 365", ()),
)
"""``Sites.Selected`` reaches the sites that the organisation's administrator opened to this client, and no other."""

BOX = Preset(
    name="Box",
    slug="box",
    connector="box",
    auth_types=("oauth2",),
    endpoints=Endpoints(
        authorize="https://account.box.com/api/oauth2/authorize",
        token="https://api.box.com/oauth2/token",  # noqa: S106 # no password
        revoke="https://api.box.com/oauth2/revoke",
        user_info="https://api.box.com/2.0/users/me",
    ),
    scopes=("root_readwrite",),
    rotation="strict",
    idle_days=60,
    metadata=Metadata(
        "box", "#0061d5", "Connect your Box account", "Enterprise plans only", ("us", "eu", "ca", "au", "jp")
    ),
)
"""Codes live 30 seconds. Each refresh ends the old refresh token at once; 60 days unused end the newest."""

S3 = Preset(
    name="Amazon S3",
    slug="s3",
    connector="s3",
    auth_types=("iam_role", "access_key"),
    metadata=Metadata("s3", "#e25444", "Connect an Amazon S3 bucket", "yes", ()),
)
AZURE_BLOB = Preset(
    name="Azure Blob Storage",
    slug="azure-blob",
    connector="azure_blob",
    auth_types=(
        "workload_identity",
        "service_principal",
        "user_ms_identity",
        "sas_token",
        "account_key",
        "connection_string",
    ),
    metadata=Metadata("azure-blob", "#0078d4", "Connect an Azure Blob Storage container", "yes", ()),
)
GOOGLE_CLOUD_STORAGE = Preset(
    name="Google Cloud Storage",
    slug="google-cloud-storage",
    connector="gcs",
    auth_types=("workload_identity", "service_account"),
    metadata=Metadata("google-cloud-storage", "#4285f4", "Connect a Google Cloud Storage bucket", "yes", ()),
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.slug: preset
        for preset in (DROPBOX, GOOGLE_DRIVE, ONEDRIVE, SHAREPOINT, BOX, S3, AZURE_BLOB, GOOGLE_CLOUD_STORAGE)
    }
)
"""By slug."""
