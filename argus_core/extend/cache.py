"""The base class of every cache tier: bytes in, the same bytes out, until they expire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from argus_core.clock import Clock
from argus_core.extend.source import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What a tier holds now; ``None`` where it cannot know."""

    entries: int | None
    bytes: int | None


class Cache:
    """One tier. Keys are text, values are opaque bytes; a miss is simply absent.

    Raise :class:`CacheError` when the store fails: the gateway treats it as a miss, never as an
    error of the request.
    """

    Settings: ClassVar[type[BaseModel]] = Settings

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock

    async def open(self) -> None:
        """Return when the tier can be used."""

    async def close(self) -> None:
        """Release everything; safe to call twice."""

    async def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are present and not expired."""
        raise NotImplementedError

    async def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        """Store all values for ``ttl`` seconds (more than 0), replacing what was there."""
        raise NotImplementedError

    async def delete_prefix(self, prefix: str) -> tuple[int, int]:
        """Remove every key that starts so; return how many entries and bytes went."""
        raise NotImplementedError

    async def stats(self) -> CacheStats:
        """What the tier holds now."""
        raise NotImplementedError
