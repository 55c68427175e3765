"""What a deployment tells its functions: read once from the environment, by the host, and passed on as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from shared.domain.errors import Misconfigured

_PREFIX = "FARSHORE_"


@dataclass(frozen=True, slots=True)
class Settings:
    """One deployment's settings. Each field is the environment variable ``FARSHORE_<FIELD>``; the region is ``AWS_REGION``.

    A function is given only what it needs, so everything may be absent; ``need`` says so when it is asked for.

    Attributes:
        region: AWS region. Where AWS is reached is botocore's affair (``AWS_ENDPOINT_URL``).
        table_prefix: tables are named ``{prefix}-{name}``.
        key_id: KMS key that wraps data keys.
        former_key_ids: keys that did so before and still open what they wrapped; a comma between two, as in all lists here.
        cursor_secret_id: Secrets Manager's id of the key that authenticates list cursors.
        issuer, audience: of the tokens the API accepts.
        role_claim, tenants_claim: where a token says what its bearer may do.
        public_url: where people reach the API, without a path: what authorization servers send browsers back to.
        return_urls: where a browser may go at the end of a consent.
        private_hosts: ``host:port`` pairs off the public internet that may be called all the same, by http too.
        refresh_queue_url, refresh_dlq_url: connections whose tokens are due, and those that could not be refreshed.
        deliveries_queue_url, deliveries_dlq_url: notices on their way to webhooks.
        event_bus: name of the EventBridge bus that notices go to.
        superadmin_role, owner_role: the values of ``role_claim`` that the API knows.
        job_attempts: an attempt of this number is a job's last.
        retry_base_seconds, retry_cap_seconds: the first delay after a failure, and the longest.
        job_heartbeat_seconds: a dead worker's jobs are given out again after so long.
        threads: jobs of one batch worked on at a time.
        log_level: of our own logger.
        tracing: ``on`` sends X-Ray segments.
    """

    region: str = ""
    service: str = "farshore"
    table_prefix: str = ""
    events_queue_url: str = ""
    events_dlq_url: str = ""
    jobs_queue_url: str = ""
    jobs_dlq_url: str = ""
    key_id: str = ""
    former_key_ids: str = ""
    cursor_secret_id: str = ""
    issuer: str = ""
    audience: str = ""
    role_claim: str = "farshore/role"
    tenants_claim: str = "farshore/tenants"
    superadmin_role: str = "superadmin"
    owner_role: str = "owner"
    public_url: str = ""
    return_urls: str = ""
    private_hosts: str = ""
    refresh_queue_url: str = ""
    refresh_dlq_url: str = ""
    deliveries_queue_url: str = ""
    deliveries_dlq_url: str = ""
    event_bus: str = ""
    job_attempts: int = 10
    job_heartbeat_seconds: float = 120.0
    retry_base_seconds: float = 5.0
    retry_cap_seconds: float = 1800.0
    threads: int = 4
    log_level: str = "INFO"
    tracing: str = "off"

    def need(self, name: str) -> str:
        """The text setting of this name.

        Raises:
            Misconfigured: it is empty; the message names the variable to set.
        """
        value: str = getattr(self, name)
        if not value:
            raise Misconfigured(f"set {variable(name)}")
        return value

    def listed(self, name: str) -> tuple[str, ...]:
        """The parts of a list setting; none if it is empty."""
        value: str = getattr(self, name)
        return tuple(part for part in (each.strip() for each in value.split(",")) if part)


def variable(name: str) -> str:
    """The environment variable behind a field."""
    return "AWS_REGION" if name == "region" else _PREFIX + name.upper()


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Reads settings.

    Raises:
        Misconfigured: a number is not one, or not positive; the message names the variable, never its value.
    """
    given = {field.name: environment.get(variable(field.name), "") for field in fields(Settings)}
    given["region"] = given["region"] or environment.get("AWS_DEFAULT_REGION", "")
    return Settings(**{name: _typed(name, text) for name, text in given.items() if text})  # type: ignore[arg-type]  # by field


def _typed(name: str, text: str) -> str | int | float:
    kind = type(getattr(_DEFAULTS, name))
    if kind is str:
        return text
    try:
        number: int | float = kind(text)
    except ValueError:
        raise Misconfigured(f"{variable(name)} must be a number") from None
    if not number > 0:
        raise Misconfigured(f"{variable(name)} must be positive")
    return number


_DEFAULTS = Settings()
