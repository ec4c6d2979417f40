"""What a client of ``argus.v2`` hears first: what it listens to, and what was said before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from argus_api.stream.asks import Want
from argus_api.stream.connection import Connection
from argus_api.stream.items import Piece
from argus_api.stream.modern import Modern
from argus_core.model.answer import Failure
from argus_core.streaming.desk import Streaming
from argus_core.streaming.hub import Caught


def subscribed(
    streaming: Streaming,
    connection: Connection,
    want: Want,
    caught: Sequence[Caught],
    rejected: Mapping[str, Failure],
) -> dict[str, Any]:
    """The message that says what is listened to from now on, and what is not, and why."""
    hub = streaming.hub
    accepted = [one.key[1] for one in caught]
    told: dict[str, Any] = {
        "type": "subscribed",
        "channel": want.channel,
        "epoch": hub.epoch,
        "symbols": [symbol for one, symbol in hub.heard(connection) if one == want.channel],
        "accepted": accepted,
        "rejected": [
            {"symbol": symbol, "code": why.code, "message": why.message}
            for symbol, why in rejected.items()
        ],
        "modes": {str(symbol): streaming.mode(symbol) for symbol in accepted},
        "seq": {str(one.key[1]): hub.topics[one.key].seq for one in caught},
    }
    if want.since:
        missed = {one.key[1]: one.missed for one in caught}
        told["missed"] = {str(one): missed[one] for one in want.since if one in missed}
    return told


def said_before(
    dialect: Modern, channel: str, caught: Sequence[Caught]
) -> Iterator[tuple[str, bytes]]:
    """The messages of what was said before, each with its type: snapshots, then what was missed."""
    for kind, resumed in (("snapshot", False), ("update", True)):
        bodies: list[bytes] = [
            piece.body
            for one in caught
            if one.resumed is resumed
            for piece in one.fragments
            if isinstance(piece, Piece)
        ]
        for message in dialect.told(kind, channel, bodies):
            yield kind, message
