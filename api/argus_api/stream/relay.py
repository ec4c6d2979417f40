"""The dialect ``argus.relay.v1``: other gateways, which get whole values with their origins.

They say what clients of ``argus.v2`` say, without channels and fields; each ``subscribe`` names
the gateways that it comes through as ``via``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from argus_api.stream.items import Piece
from argus_api.stream.modern import Modern
from argus_api.wire import instant
from argus_core import Clock, Origin
from argus_core.extend.pushes import PUSH_PROTOCOL, push_item
from argus_core.stream_table import StreamTable
from argus_core.streaming.lanes import Batch
from argus_core.streaming.topics import FEED, Fragment, Key, Update, View

IN_A_FRAME = 200
"""Values in one message: reading one keeps the other gateway busy for a few milliseconds."""
QUEUED_BYTES = 32 * 1024 * 1024
"""The most bytes that wait for one gateway."""


def bounds(table: StreamTable) -> StreamTable:
    """What holds for other gateways: as for everybody, with room for several whole markets."""
    return table.model_copy(update={"max_queued_bytes": max(QUEUED_BYTES, table.max_queued_bytes)})


class FeedView:
    """Whole values with their origins; one for all gateways, and so the bytes."""

    channel = FEED
    lasting = False  # it tells how old a value is

    def __init__(self, inner: frozenset[str], clock: Clock) -> None:
        self._inner = inner
        self._clock = clock

    def fragment(self, update: Update) -> Piece:
        """The value in its bytes."""
        carrier = update.carrier
        via = (name for name in carrier.via if name not in self._inner)
        origin = Origin(
            path=(*via, carrier.source),
            age=max(0.0, (self._clock.now() - update.at).total_seconds()),
            stale=update.stale,
            simulated=carrier.simulated,
            replay=carrier.replay,
        )
        return Piece(push_item(update.seq, update.value, origin, carrier.mode))


class Relay(Modern):
    """How other gateways are talked to."""

    def __init__(self, epoch: str, inner: frozenset[str], clock: Clock) -> None:
        super().__init__(PUSH_PROTOCOL, epoch, inner, lambda: instant(clock.now()) or "")
        self._feed = FeedView(inner, clock)

    def view(self, channel: str, fields: tuple[str, ...] | None) -> View:  # noqa: ARG002 - as every dialect's
        """The one view that there is."""
        return self._feed

    def frames(self, batch: Batch) -> Iterator[bytes]:
        """Everything in the order in which it was said of each symbol."""
        return (self.items("update", FEED, bodies) for bodies in self.parts(batch))

    def newest(self, pieces: Mapping[Key, Fragment]) -> Iterator[bytes]:
        """The same where nothing but these is to be told."""
        return self.frames(Batch(dict(pieces)))

    def parts(self, batch: Batch) -> Iterator[list[bytes]]:
        """The same, item by item, in portions of a message each."""
        bodies = [piece.body for _, piece in (*batch.each, *batch.latest.items())]
        for start in range(0, len(bodies), IN_A_FRAME):
            yield bodies[start : start + IN_A_FRAME]
