"""The dialect ``argus.v2``: numbered updates, snapshots, and a word for everything that happens.

The same in JSON, in text frames, and in MessagePack, in binary ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import orjson

from argus_api.stream.items import Encode, Piece, Row, Views, origin_of
from argus_core.streaming.lanes import Batch
from argus_core.streaming.topics import Fragment, Key, Notice, Update, View

JSON_PROTOCOL = "argus.v2"
MSGPACK_PROTOCOL = "argus.v2.msgpack"
MOST = 500
"""Updates in one message; more go in several."""
_channel_of: Callable[[Key], str] = itemgetter(0)
_body_of: Callable[[Piece], bytes] = attrgetter("body")


class Modern:
    """How clients of ``argus.v2`` are talked to."""

    def __init__(
        self, name: str, epoch: str, inner: frozenset[str], now: Callable[[], str]
    ) -> None:
        self.name = name
        self.binary = name == MSGPACK_PROTOCOL
        self.epoch = epoch
        self._now = now
        self._inner = inner
        self._dumps: Encode = _packed if self.binary else orjson.dumps
        self._views = Views(self._dumps, self._shape)
        self._heads: dict[tuple[str, str], bytes] = {}

    def view(self, channel: str, fields: tuple[str, ...] | None) -> View:
        """The view of a channel with these fields."""
        return self._views.of(channel, fields)

    def frames(self, batch: Batch) -> Iterable[bytes]:
        """One message a channel, or several where there is very much."""
        if batch.each or batch.skipped or batch.lost:
            return self._grouped(batch)
        return self.newest(batch.latest)

    def newest(self, pieces: Mapping[Key, Fragment]) -> Iterable[bytes]:
        """The same where nothing is left out and each update is its topic's only one."""
        if len(pieces) == 1:
            ((key, piece),) = pieces.items()
            return (piece.alone or self._alone(key, piece),)
        if 0 < len(pieces) <= MOST:
            channels = set(map(_channel_of, pieces))
            if len(channels) == 1:  # as it nearly always is
                bodies = list(map(_body_of, pieces.values()))
                return (self.items("update", channels.pop(), bodies),)
        return self._grouped(Batch(dict(pieces)))

    def _grouped(self, batch: Batch) -> Iterator[bytes]:
        """The messages of a batch of several channels, or of which something was left out."""
        for channel, items in _by_channel(batch).items():
            told = {
                "conflated": _counts(batch.skipped, channel),
                "lost": _counts(batch.lost, channel),
            }
            more = {name: counts for name, counts in told.items() if counts}
            for start in range(0, max(len(items), 1), MOST):
                yield self.items("update", channel, items[start : start + MOST], more)
                more = {}

    def items(
        self, kind: str, channel: str, bodies: list[bytes], more: Mapping[str, Any] | None = None
    ) -> bytes:
        """A message with items that are encoded already."""
        if self.binary:
            return self._binary(kind, channel, bodies, more or {})
        tail = b"]}" if not more else b"]," + _written(more)[1:]
        return self._head(kind, channel) + b",".join(bodies) + tail

    def told(self, kind: str, channel: str, bodies: list[bytes]) -> list[bytes]:
        """The messages with these items, in as few as may be; none without items."""
        parts = (bodies[start : start + MOST] for start in range(0, len(bodies), MOST))
        return [self.items(kind, channel, part) for part in parts]

    def notice(self, notice: Notice) -> bytes | None:
        """The message of a notice."""
        return self.message(self.worded(notice))

    def worded(self, notice: Notice) -> Row:
        """What that message says."""
        if notice.kind == "heartbeat":
            return {"type": "heartbeat", "time": self._now()}
        told: Row = {"type": notice.kind}
        if notice.symbols:
            told["symbols"] = list(notice.symbols)
        # An inner source is no name that anybody outside knows.
        hidden = {key for key in ("source", "previous") if notice.told.get(key) in self._inner}
        return {**told, **{k: v for k, v in notice.told.items() if k not in hidden}}

    def message(self, body: Mapping[str, Any]) -> bytes:
        """Any other message."""
        return _packed(body) if self.binary else _written(body)

    def _shape(self, row: Row, update: Update) -> Row:
        return {**row, "seq": update.seq, **origin_of(update, self._inner)}

    def _alone(self, key: Key, piece: Any) -> bytes:
        """The message of one update, which many listeners get alike."""
        assert isinstance(piece, Piece)  # noqa: S101 - the views of this dialect make nothing else
        piece.alone = self.items("update", key[0], [piece.body])
        return piece.alone

    def _head(self, kind: str, channel: str) -> bytes:
        head = self._heads.get((kind, channel))
        if head is None:
            told: Row = {"type": kind, "channel": channel, "epoch": self.epoch, "data": []}
            head = orjson.dumps(told)[:-2]
            self._heads[kind, channel] = head
        return head

    def _binary(
        self, kind: str, channel: str, bodies: list[bytes], more: Mapping[str, Any]
    ) -> bytes:
        told = {"type": kind, "channel": channel, "epoch": self.epoch, **more}
        pairs = [self._dumps(part) for pair in told.items() for part in pair]
        # A map of less than sixteen pairs, and at its end an array of less than 65 536 items.
        head = bytes((0x80 | (len(told) + 1),))
        array = self._dumps("data") + b"\xdc" + len(bodies).to_bytes(2, "big")
        return head + b"".join(pairs) + array + b"".join(bodies)


def _written(body: Mapping[str, Any]) -> bytes:
    # A symbol is a kind of str, which orjson takes for a key only if it is told to.
    return orjson.dumps(dict(body), option=orjson.OPT_NON_STR_KEYS)


def _packed(value: Any) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=str)  # a symbol is a kind of str


def _by_channel(batch: Batch) -> dict[str, list[bytes]]:
    """The bytes of what is new, channel by channel; one that only lost something is there too."""
    channels: dict[str, list[bytes]] = {}
    latest: Iterable[tuple[Key, Any]] = batch.latest.items()
    for pairs in (batch.each, latest):  # the last bar before the one in the making
        for key, piece in pairs:
            channels.setdefault(key[0], []).append(piece.body)
    for key in batch.lost:
        channels.setdefault(key[0], [])
    return channels


def _counts(counted: Mapping[Key, int], channel: str) -> dict[str, int]:
    return {str(key[1]): count for key, count in counted.items() if key[0] == channel}
