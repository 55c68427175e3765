"""Which tables: settings, and models bound to them without any global state of PynamoDB's."""

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from types import new_class
from typing import Any, cast

from pynamodb.connection import Connection

from shared.state.items import Item

_CONNECT_SECONDS = 2
_READ_SECONDS = 5
_RETRIES = 3  # after the first attempt, with botocore's jittered delays; then StateUnavailable


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Where the state lives. One object is one connection: what is bound to the same object shares its client.

    Attributes:
        prefix: a table's name is ``{prefix}-{name}``.
        endpoint: of DynamoDB; None leaves it to botocore (``AWS_ENDPOINT_URL`` or AWS itself).
    """

    prefix: str
    region: str
    endpoint: str | None = None


def bound[M: Item](model: type[M], tables: Tables) -> type[M]:
    """The model, as a subclass that lives in these tables. Makes no call.

    ``model.table`` is the table's short name.
    """
    name = f"{tables.prefix}-{model.table}"
    meta = type("Meta", (), {"table_name": name, "region": tables.region, "host": tables.endpoint})
    placed = cast(type[M], new_class(model.__name__, (model,), exec_body=lambda body: body.update(Meta=meta)))
    own, shared = placed._get_connection(), _connection(tables)
    if name not in shared._tables:  # two models may share a table, and repositories a model
        shared.add_meta_table(own.get_meta_table())
    own.connection = shared
    return placed


class SharedConnection(Connection):
    """A connection whose client is made once, whichever thread is first: making one costs as much as a hundred calls."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._making = Lock()

    @property
    def client(self) -> Any:
        with self._making:
            return super().client


@lru_cache(maxsize=16)
def _connection(tables: Tables) -> Connection:
    """The connection of these settings, made when first asked for; its client, when it is first used."""
    return SharedConnection(
        region=tables.region,
        host=tables.endpoint,
        connect_timeout_seconds=_CONNECT_SECONDS,
        read_timeout_seconds=_READ_SECONDS,
        max_retry_attempts=_RETRIES,
        max_pool_connections=32,
    )
