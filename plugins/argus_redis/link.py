"""The way to one server: its client, the time limit of a call, what a failure is called."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from argus_core import CacheError, PluginError
from argus_redis.settings import RedisSettings

_UNSENT = 10_000
"""Milliseconds after which the kernel gives up bytes that a stopped server does not take."""

_Reply = TypeVar("_Reply")


class Link:
    """One server. Every failure is a :class:`CacheError` that names its place, nothing else.

    A call that fails, runs out of time or is cancelled closes its connection, so that no later
    call finds the reply of an earlier one. There are no retries: the next call connects anew.
    A write that ran out of time may still be carried out when the server comes round.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.place = settings.place
        self._settings = settings
        self._client: Any = None

    def open(self) -> None:
        """Return when calls can be made; nothing is sent yet.

        Raises :class:`PluginError` where the ``redis`` package is not installed.
        """
        self._client = self.client(self._settings.max_connections)

    async def close(self) -> None:
        """Close every connection; calls are refused from now on."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def client(self, connections: int) -> Any:
        """A ``redis.asyncio.Redis`` with so many connections at most; its owner closes it."""
        redis, retry, backoff = _package()
        pool = redis.BlockingConnectionPool.from_url(
            self._settings.address,
            max_connections=connections,
            timeout=None,  # the limit of the whole call covers the wait for a connection
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=retry.Retry(backoff.NoBackoff(), 0),
            protocol=2,  # the newer one costs a round trip more at each connection
            **_socket_options(self._settings.url),
        )
        return redis.Redis.from_pool(pool)

    @asynccontextmanager
    async def limited(self) -> AsyncGenerator[None]:
        """A block that ends within the time limit, its failures told as :class:`CacheError`."""
        limit = self._settings.timeout
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError as error:
            raise CacheError(f"redis at {self.place} did not answer within {limit:g} s") from error
        except Exception as error:
            # The text of a refused pipeline quotes its commands, values and all: only the class.
            raise CacheError(f"redis at {self.place} failed: {type(error).__name__}") from error

    async def ask(self, call: Callable[[Any], Awaitable[_Reply]]) -> _Reply:
        """What ``call`` makes of the client, within the time limit."""
        if self._client is None:
            raise CacheError(f"redis at {self.place} is not open")
        async with self.limited():
            return await call(self._client)

    async def run(self, script: str, keys: list[bytes], *arguments: bytes | int) -> Any:
        """What a script returns, within the time limit; the server keeps it for the next time."""
        return await self.ask(lambda redis: redis.register_script(script)(keys, arguments))


def _package() -> tuple[Any, Any, Any]:
    """The modules of the ``redis`` package, imported only when a cache is opened."""
    try:
        names = ("redis.asyncio", "redis.asyncio.retry", "redis.backoff")
        first, second, third = map(importlib.import_module, names)
    except ImportError as error:
        raise PluginError(
            f"the redis plugin needs the package {error.name}",
            fix='pip install "argus-marketdata[redis]"',
        ) from error
    return first, second, third


def _socket_options(url: str) -> dict[str, Any]:
    """Options that let the kernel find out about a server that is silently gone."""
    if url.startswith("unix"):
        return {}
    names = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": _UNSENT}
    options = {getattr(socket, name): n for name, n in names.items() if hasattr(socket, name)}
    return {"socket_keepalive": True, "socket_keepalive_options": options}
