"""The store behind the interface of aiocache, for code that already speaks it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

from argus_memory.store import ByteStore


class MemoryBackend(BaseCache):
    """An aiocache cache over a :class:`ByteStore`: keys are text, values bytes.

    Other types are refused with :class:`TypeError`, because their size cannot be known. As in
    aiocache, a ``ttl`` of ``None`` or 0 means "for ever".
    """

    NAME = "argus_memory"

    def __init__(self, store: ByteStore) -> None:
        # Nothing here ever waits, so aiocache's default time limit would only cost a task a call.
        super().__init__(serializer=NullSerializer(), timeout=None)
        self.store = store

    # aiocache passes an encoding, for serializers of text, and a connection: neither means anything
    # to bytes in this process.

    async def _get(self, key: str, **_options: Any) -> bytes | None:
        return self.store.read(key)

    async def _gets(self, key: str, **_options: Any) -> bytes | None:
        return self.store.read(key)

    async def _multi_get(self, keys: Iterable[str], **_options: Any) -> list[bytes | None]:
        return [self.store.read(key) for key in keys]

    async def _set(
        self,
        key: str,
        value: Any,
        ttl: float | None = None,
        _cas_token: bytes | None = None,
        **_options: Any,
    ) -> bool:
        if _cas_token is not None and _cas_token != self.store.read(key):
            return False
        return self.store.write(key, _bytes(value), ttl or None)

    async def _multi_set(
        self, pairs: Iterable[tuple[str, Any]], ttl: float | None = None, **_options: Any
    ) -> bool:
        stored = [self.store.write(key, _bytes(value), ttl or None) for key, value in pairs]
        return all(stored)

    async def _add(self, key: str, value: Any, ttl: float | None = None, **_options: Any) -> bool:
        if self.store.holds(key):
            raise ValueError(f"key {key} already exists, use .set to update the value")
        return self.store.write(key, _bytes(value), ttl or None)

    async def _exists(self, key: str, **_options: Any) -> bool:
        return self.store.holds(key)

    async def _expire(self, key: str, ttl: float | None, **_options: Any) -> bool:
        return self.store.renew(key, ttl or None)

    async def _delete(self, key: str, **_options: Any) -> int:
        return int(self.store.remove(key))

    async def _clear(self, namespace: str | None = None, **_options: Any) -> bool:
        self.store.remove_prefix(namespace or "")
        return True


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(cast("bytes", value))
    raise TypeError(f"this cache stores bytes, not {type(value).__name__}")
