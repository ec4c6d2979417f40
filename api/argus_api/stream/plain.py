"""The dialect of clients that name no subprotocol: one message a quote, nothing else unasked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from argus_api.stream.items import ItemView, Row, Views, origin_of
from argus_core.streaming.lanes import Batch
from argus_core.streaming.topics import Fragment, Key, Notice, Update


class Plain:
    """How these clients are talked to. What must be known of a quote stands in its ``data``."""

    name = ""
    binary = False

    def __init__(self, inner: frozenset[str]) -> None:
        self._inner = inner
        self._views = Views(_encoded, self._shape)

    def view(self, channel: str, fields: tuple[str, ...] | None) -> ItemView:
        """The view of a channel with these fields."""
        return self._views.of(channel, fields)

    def frames(self, batch: Batch) -> Iterator[bytes]:
        """One message for each quote."""
        for _, piece in batch.each:
            yield piece.body
        for piece in batch.latest.values():
            yield piece.body

    def newest(self, pieces: Mapping[Key, Fragment]) -> Iterable[bytes]:
        """The same where nothing but these is to be told."""
        return [piece.body for piece in pieces.values()]

    def notice(self, notice: Notice) -> bytes | None:  # noqa: ARG002 - as every dialect's
        """Nothing: this dialect has no message for it."""
        return None

    def message(self, body: Mapping[str, Any]) -> bytes:
        """Any other message."""
        return orjson.dumps(dict(body))

    def _shape(self, row: Row, update: Update) -> Row:
        told = {"stale": False, "simulated": False, **origin_of(update, self._inner)}
        return {**row, **told}


def _encoded(row: Row) -> bytes:
    return orjson.dumps({"type": "market_data", "data": row})
