"""Logs: one JSON line per event through Powertools, and libraries kept quiet.

What an exception of a library says may hold a credential or a signed URL, so no message of one is ever logged: ``cause``
tells its type and where it was raised.
"""

import logging
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.domain.errors import FarshoreError

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

# These write requests, headers or bodies at DEBUG or INFO (their sources: botocore.endpoint, azure.core's HTTP logging
# policy, urllib3.connectionpool, pynamodb.connection, msal.oauth2cli, authlib's and google-auth's clients, requests_hardened,
# Powertools' batch processor and metrics).
LOUD = (
    "authlib",
    "aws_lambda_powertools",
    "aws_xray_sdk",
    "azure",
    "boto3",
    "botocore",
    "google",
    "httpx",
    "msal",
    "pynamodb",
    "requests",
    "requests_hardened",
    "s3transfer",
    "urllib3",
)
_QUOTING = {"urllib3"}  # it warns of odd headers with the URL and all that came (urllib3.connection.getresponse)


def quiet_libraries() -> None:
    """Pins every library that logs secrets to WARNING, or ERROR if its warnings do too; their children as well. Idempotent."""
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR if name in _QUOTING else logging.WARNING)
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith(tuple(f"{loud}." for loud in LOUD)):
            logging.getLogger(name).setLevel(logging.NOTSET)


def logger(service: str, level: str) -> "Logger":
    """The one logger of a function."""
    from aws_lambda_powertools import Logger

    quiet_libraries()
    return Logger(service=service, level=level, utc=True, log_uncaught_exceptions=False)


def cause(error: BaseException) -> Mapping[str, Any]:
    """What may be told of a failure: its code, type and place, and its message if it is one of ours."""
    told: dict[str, Any] = {"error": type(error).__name__, "where": _where(error)}
    if isinstance(error, FarshoreError):
        told |= {"code": error.code, "reason": str(error)}
    return told


def _where(error: BaseException, frames: int = 4) -> list[str]:
    """The innermost frames, without source lines or values."""
    walked = traceback.extract_tb(error.__traceback__)[-frames:]
    return [f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno} {frame.name}" for frame in walked]
