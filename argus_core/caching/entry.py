"""What a cache holds for one key: a value as bytes, with its provenance in front."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from argus_core.clock import SHANGHAI
from argus_core.model.answer import Provenance

VERSION = 2
"""The first byte of every entry; entries of another version count as absent."""

_HEAD = struct.Struct("<BHH?ddd")
_NO_INSTANT = float("-inf")


@dataclass(frozen=True, slots=True)
class Entry:
    """An encoded value and where it came from. Never pickled: the bytes are data, not code."""

    payload: bytes
    source: str
    simulated: bool
    fetched_at: datetime
    fresh_until: datetime
    as_of: datetime | None = None
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])

    def pack(self) -> bytes:
        """The entry as bytes."""
        name = self.source.encode()
        steps = orjson.dumps(self.resolution) if self.resolution else b""
        as_of = self.as_of.timestamp() if self.as_of else _NO_INSTANT
        head = _HEAD.pack(
            VERSION,
            len(name),
            len(steps),
            self.simulated,
            self.fetched_at.timestamp(),
            self.fresh_until.timestamp(),
            as_of,
        )
        return b"".join((head, name, steps, self.payload))

    @classmethod
    def unpack(cls, data: bytes) -> Entry | None:
        """The entry in ``data``; None if it is of another version or damaged."""
        if len(data) < _HEAD.size or data[0] != VERSION:
            return None
        _, length, extra, simulated, fetched_at, fresh_until, as_of = _HEAD.unpack_from(data)
        after = _HEAD.size + length
        start = after + extra
        try:
            return cls(
                payload=data[start:],
                source=data[_HEAD.size : after].decode(),
                simulated=simulated,
                fetched_at=datetime.fromtimestamp(fetched_at, SHANGHAI),
                fresh_until=datetime.fromtimestamp(fresh_until, SHANGHAI),
                as_of=None if as_of == _NO_INSTANT else datetime.fromtimestamp(as_of, SHANGHAI),
                resolution=orjson.loads(data[after:start]) if extra else {},
            )
        except (UnicodeDecodeError, ValueError, OverflowError, OSError):
            return None

    def provenance(self, cache: str | None) -> Provenance:
        """Where the value came from; ``cache`` names the tier that held it."""
        return Provenance(
            source=self.source,
            fetched_at=self.fetched_at,
            fresh_until=self.fresh_until,
            as_of=self.as_of,
            cache=cache,
            simulated=self.simulated,
            resolution=self.resolution,
        )
