"""What a town is watched with, from inside and on its way to AWS, so that each secret and each error is known."""

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.errors import FarshoreError
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret
from shared.ports.world import Vault
from shared.runtime.world import SystemClock
from tests.conformance.proxy import Fault, Response
from tests.conformance.proxy import Request as Asked

SERVICES = {
    "DynamoDB_20120810": "DynamoDB",
    "TrentService": "KMS",
    "AmazonSQS": "SQS",
    "AWSEvents": "EventBridge",
    "secretsmanager": "Secrets Manager",
}


@dataclass
class Said:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: Any
    cookies: Sequence[str]

    @property
    def location(self) -> str:
        return self.headers["Location"]


class Ahead(SystemClock):
    """A clock that goes on as the test says."""

    def __init__(self, ahead: Callable[[], timedelta]) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead()


class Seen:
    """A vault that tells of every secret that goes in or comes out."""

    def __init__(self, vault: Vault, tell: Callable[[str, str], None]) -> None:
        self._vault, self._tell = vault, tell

    def seal(self, secret: Secret[str], context: SealContext) -> Sealed:
        self._note(secret, context)
        return self._vault.seal(secret, context)

    def open(self, sealed: Sealed, context: SealContext) -> Secret[str]:
        secret = self._vault.open(sealed, context)
        self._note(secret, context)
        return secret

    def _note(self, secret: Secret[str], context: SealContext) -> None:
        if context.table == "flows":
            for name, value in json.loads(secret.reveal()).items():
                self._tell(name, value)
        elif context.table == "webhooks":
            self._tell("webhook secret", secret.reveal().removeprefix("whsec_"))
        elif context.field in ("access_token", "refresh_token"):
            self._tell(context.field.replace("_", " "), secret.reveal())


class Watched:
    """Keys that tell of every data key they give out or open."""

    def __init__(self, keys: Any, tell: Callable[[str, bytes], None]) -> None:
        self._keys, self._tell = keys, tell

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        plain, wrapped = self._keys.data_key(context)
        self._tell("data key", plain)
        return plain, wrapped

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        plain: bytes = self._keys.unwrap(wrapped, context)
        self._tell("data key", plain)
        return plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keys, name)


def service(request: Asked) -> str:
    """The AWS service that a request is for."""
    target = (request.header("x-amz-target") or "").partition(".")[0]
    if target:
        return SERVICES.get(target, target)
    return "STS" if b"Action=AssumeRole" in request.body else "S3"


def calls(name: str, action: str = "") -> Callable[[Asked], bool]:
    """Whether a request is for that service, and that action if one is named."""
    return lambda request: service(request) == name and (request.header("x-amz-target") or "").endswith(action)


def re_encrypts(kms: Any) -> Fault:
    """KMS's ReEncrypt, which MiniStack does not have, by way of its others."""

    def stand_in(request: Asked, _: object) -> Response:
        said = json.loads(request.body)
        blob, context = b64decode(said["CiphertextBlob"]), said["SourceEncryptionContext"]
        opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
        known = ("Content-Type", "application/x-amz-json-1.1")
        if not opened["KeyId"].endswith(said["SourceKeyId"]):
            return Response(400, (known,), b'{"__type": "IncorrectKeyException"}')
        to = {"KeyId": said["DestinationKeyId"], "EncryptionContext": said["DestinationEncryptionContext"]}
        blob = kms.encrypt(Plaintext=opened["Plaintext"], **to)["CiphertextBlob"]
        materials = {"SourceKeyMaterialId": said["SourceKeyId"], "DestinationKeyMaterialId": said["DestinationKeyId"]}
        told = {"CiphertextBlob": b64encode(blob).decode(), "SourceKeyId": opened["KeyId"], **materials}
        return Response(200, (known,), json.dumps(told).encode())

    return stand_in


@contextmanager
def raised(errors: list[FarshoreError]) -> Iterator[None]:
    """Keeps every error of ours that is raised, wherever and whatever becomes of it."""
    tool, known = 4, set[int]()
    monitoring = sys.monitoring

    def kept(code: Any, offset: int, error: BaseException) -> None:
        if isinstance(error, FarshoreError) and id(error) not in known:
            known.add(id(error))
            errors.append(error)

    monitoring.use_tool_id(tool, "leaks")
    monitoring.register_callback(tool, monitoring.events.RAISE, kept)
    monitoring.set_events(tool, monitoring.events.RAISE)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, monitoring.events.RAISE, None)
        monitoring.free_tool_id(tool)
