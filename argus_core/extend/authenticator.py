"""The base class of every authenticator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, SecretStr

from argus_core.clock import Clock
from argus_core.extend.source import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, and what they may do. Scopes: ``data`` reads, ``manage`` operates."""

    id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What a request presents: the ``X-API-Key`` header, the bearer token, and from where."""

    api_key: SecretStr | None = None
    bearer: SecretStr | None = None
    client: str | None = None


class Authenticator:
    """Says who is asking. Several are asked in the order of ``[auth] plugins``.

    ``data_dir`` is the server's directory for state; keep a key store there.
    """

    Settings: ClassVar[type[BaseModel]] = Settings
    loopback_only: ClassVar[bool] = False
    """True if this authenticator lets everybody in, so that only loopback may be served."""

    def __init__(self, name: str, settings: Any, clock: Clock, data_dir: Path) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock
        self.data_dir = data_dir

    async def authenticate(self, presented: Presented) -> Principal | None:
        """The principal; ``None`` if nothing here is mine to judge (the next one is asked).

        Raises :class:`BadCredentials` if it is mine and wrong, expired or revoked, with the same
        message for all of these.
        """
        raise NotImplementedError
