"""The credentials of an assumed role: renewed before their end, and at once if S3 says that they ended already."""

import threading
from collections.abc import Callable
from typing import Any

from botocore.credentials import DeferredRefreshableCredentials, ReadOnlyCredentials

type Fetch = Callable[[], dict[str, Any]]


class AssumedRole(DeferredRefreshableCredentials):
    """botocore's, which look at the clock only, with a way to renew what ended early: revoked, or by a clock that is off.

    Args:
        fetcher: makes a fetch with nothing cached: a new session of the role.
    """

    def __init__(self, fetcher: Callable[[], Fetch]) -> None:
        super().__init__(fetcher(), "assume-role")
        self._fetcher = fetcher
        self._lock = threading.Lock()
        self._session = DeferredRefreshableCredentials(fetcher(), "assume-role")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._session.get_frozen_credentials()

    def renew(self, used: ReadOnlyCredentials) -> None:
        """Assumes the role again, unless another thread did since ``used`` was taken."""
        with self._lock:
            if self._session.get_frozen_credentials() == used:
                self._session = DeferredRefreshableCredentials(self._fetcher(), "assume-role")
