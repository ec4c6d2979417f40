"""API keys: ``X-API-Key: argus_…`` or ``Authorization: Bearer argus_…``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from argus_auth.key_store import PREFIX, KeyRecord, KeyStore
from argus_core import (
    Authenticator,
    BadCredentials,
    Clock,
    Presented,
    Principal,
    Settings,
    hookimpl,
)

REFUSED = "a valid API key is required"
"""The one message for every key that is not good, so that a guess learns nothing."""


class ApiKeySettings(Settings):
    """``[auth.api_key]`` in plugins.toml."""

    path: Path = Field(
        default=Path("keys.json"),
        description="The key store; a relative path starts at the server's data_dir.",
    )


class ApiKey(Authenticator):
    """Admits who shows a key of its store; ``argus keys`` makes, lists and revokes them."""

    Settings: ClassVar[type[BaseModel]] = ApiKeySettings

    def __init__(self, name: str, settings: Any, clock: Clock, data_dir: Path) -> None:
        super().__init__(name, settings, clock, data_dir)
        self._store = KeyStore(data_dir / settings.path, clock)
        self._store.records()  # a damaged store stops the start, not the first request

    async def authenticate(self, presented: Presented) -> Principal | None:
        """The key's principal, whose id is the key's public id.

        ``None`` without an ``X-API-Key`` and without a bearer of this form. The look at the store
        blocks, at most once a second, for one ``stat``: shorter than handing it to a thread.
        """
        key = _claimed(presented)
        if key is None:
            return None
        record = self._store.find(key)
        if record is None:
            raise BadCredentials(REFUSED)
        return Principal(id=record.id, scopes=frozenset(record.scopes))

    def create_key(
        self, name: str, scopes: Collection[str], expires: datetime | None
    ) -> tuple[KeyRecord, str]:
        """A new key's record and its plaintext, which is shown this once."""
        return self._store.create(name, scopes, expires)

    def list_keys(self) -> tuple[KeyRecord, ...]:
        """Every key, the expired and the revoked too, oldest first."""
        return self._store.records()

    def revoke_key(self, key_id: str) -> KeyRecord:
        """The record of the key, which from now on (within a second) opens nothing."""
        return self._store.revoke(key_id)


def _claimed(presented: Presented) -> str | None:
    """What this authenticator has to judge: another one may read other bearers."""
    if presented.api_key is not None:
        return presented.api_key.get_secret_value()
    if presented.bearer is not None:
        bearer = presented.bearer.get_secret_value()
        if bearer.startswith(PREFIX):
            return bearer
    return None


@hookimpl
def register_authenticator() -> type[Authenticator]:
    """Return :class:`ApiKey`."""
    return ApiKey
