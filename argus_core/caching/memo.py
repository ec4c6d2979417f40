"""What the bytes of hot entries mean, so that a hit need not decode them again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argus_core.caching.entry import Entry
from argus_core.model.answer import Provenance

_BOUND = 64 << 20
_ROOM = 1024
"""Bytes that a decoded entry is counted with beside four times its payload."""
_UNFOLDED = 4


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry, its value (None if it says that there is none), and the tier that held it."""

    entry: Entry
    value: Any
    tier: str
    origin: Provenance
    since: datetime
    """Earlier instants are those of a clock that was set back: how old it is, nobody knows."""
    fresh_until: datetime
    early_from: datetime
    """From when on it may be worth fetching it early; ``fresh_until`` if never."""


class Memo:
    """Hits by key, each good for one bytes object: other bytes, or a copy, are decoded anew.

    Only a tier in this process hands out the very object that it was given.
    """

    def __init__(self, bound: int = _BOUND) -> None:
        self._bound = bound
        self._half = bound // 2
        self._size = 0
        self._known: OrderedDict[str, tuple[bytes, Hit, int]] = OrderedDict()

    def find(self, key: str, data: bytes) -> Hit | None:
        """What these very bytes were decoded to."""
        known = self._known.get(key)
        if known is None or known[0] is not data:
            return None
        if self._size > self._half:  # far from full, nothing is about to go
            self._known.move_to_end(key)
        return known[1]

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._size = 0

    def keep(self, key: str, data: bytes, hit: Hit) -> None:
        """Remember what these bytes mean, as long as there is room."""
        before = self._known.pop(key, None)
        if before is not None:
            self._size -= before[2]
        size = _ROOM + _UNFOLDED * len(data)
        if size > self._bound // 8:
            return
        self._known[key] = (data, hit, size)
        self._size += size
        while self._size > self._bound:
            _, (_, _, freed) = self._known.popitem(last=False)
            self._size -= freed
