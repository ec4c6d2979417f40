"""What a cache holds for one key: a value as bytes, with its provenance in front."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from argus_core.clock import SHANGHAI
from argus_core.model.answer import Provenance

VERSION = 4
"""The first byte of every entry; entries of another version count as absent."""

_HEAD = struct.Struct("<BBHHdddf")
_SUM = struct.Struct("<I")
_NO_INSTANT = float("-inf")
_SIMULATED, _ABSENT, _EARLY = 1, 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An encoded value and where it came from. Never pickled: the bytes are data, not code."""

    payload: bytes
    source: str
    simulated: bool
    fetched_at: datetime
    fresh_until: datetime
    as_of: datetime | None = None
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])
    path: tuple[str, ...] = ()
    """The sources behind ``source``, the nearest first, where it only passed the value on."""
    absent: bool = False
    """True if what is remembered is that the source has nothing.

    The payload then names, a line each, all the sources that were heard.
    """
    early: bool = False
    """True if fetching it again before ``fresh_until`` can bring something newer."""
    cost: float = 0.0
    """Seconds that fetching it took."""

    def pack(self, key: str) -> bytes:
        """The entry as bytes, sealed for the key under which it will stand."""
        name = "\n".join((self.source, *self.path)).encode()
        steps = orjson.dumps(self.resolution) if self.resolution else b""
        flags = _SIMULATED * self.simulated | _ABSENT * self.absent | _EARLY * self.early
        head = _HEAD.pack(
            VERSION,
            flags,
            len(name),
            len(steps),
            self.fetched_at.timestamp(),
            self.fresh_until.timestamp(),
            self.as_of.timestamp() if self.as_of else _NO_INSTANT,
            self.cost,
        )
        body = b"".join((head, name, steps, self.payload))
        return body + _SUM.pack(_sum(key, body))

    @classmethod
    def unpack(cls, data: bytes, key: str) -> Entry | None:
        """The entry in ``data``; None if it is of another version, damaged, or another key's.

        The last would be a store that confuses its answers; nobody is served another's price.
        """
        if len(data) < _HEAD.size + _SUM.size or data[0] != VERSION:
            return None
        body = memoryview(data)[: -_SUM.size]
        if _SUM.unpack_from(data, len(body))[0] != _sum(key, body):
            return None
        _, flags, length, extra, fetched_at, fresh_until, as_of, cost = _HEAD.unpack_from(data)
        after = _HEAD.size + length
        start = after + extra
        try:
            source, *path = str(data[_HEAD.size : after], "utf-8").split("\n")
            return cls(
                payload=bytes(body[start:]),
                source=source,
                path=tuple(path),
                simulated=bool(flags & _SIMULATED),
                fetched_at=datetime.fromtimestamp(fetched_at, SHANGHAI),
                fresh_until=datetime.fromtimestamp(fresh_until, SHANGHAI),
                as_of=None if as_of == _NO_INSTANT else datetime.fromtimestamp(as_of, SHANGHAI),
                resolution=orjson.loads(data[after:start]) if extra else {},
                absent=bool(flags & _ABSENT),
                early=bool(flags & _EARLY),
                cost=cost,
            )
        except (UnicodeDecodeError, ValueError, OverflowError, OSError):
            return None

    def provenance(self, cache: str | None) -> Provenance:
        """Where the value came from; ``cache`` names the tier that held it."""
        return Provenance(
            source=self.source,
            fetched_at=self.fetched_at,
            fresh_until=self.fresh_until,
            path=self.path,
            as_of=self.as_of,
            cache=cache,
            simulated=self.simulated,
            resolution=self.resolution,
        )


def _sum(key: str, body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(key.encode("utf-8", "surrogatepass")))
