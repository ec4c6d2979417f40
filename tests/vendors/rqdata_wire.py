"""The frames of RQData's wire: an eight-byte head, then msgpack, with brotli where it is long."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import date, datetime
from enum import IntEnum
from typing import BinaryIO

import brotli
import msgpack

_HEAD = struct.Struct("<HBBI")
_MSGPACK = 2
_PLAIN, _BROTLI = 0, 3
_LONG = 1024
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wire counts without a zone
_FEED_ROWS = 500
UNKNOWN_TYPE = 99


class Kind(IntEnum):
    """What a frame is."""

    HANDSHAKE = 0
    REQUEST = 1
    RESPONSE = 2
    ERROR = 3
    STREAM_START = 4
    STREAM_END = 5
    FEED = 6
    TABLE = 7
    TABLE2 = 8


class Refusal(Exception):
    """A call that the vendor answers with an error number and a sentence."""

    def __init__(self, errno: int, text: str) -> None:
        super().__init__(errno, text)
        self.errno, self.text = errno, text


def frame(kind: int, value: object) -> bytes:
    """One frame, head and body."""
    body = msgpack.dumps(value, default=_marked, use_bin_type=True)
    packing = _PLAIN
    if len(body) > _LONG:
        body, packing = brotli.compress(body, quality=1), _BROTLI
    return raw_frame(kind, body, packing)


def raw_frame(kind: int, body: bytes, packing: int = _PLAIN) -> bytes:
    """One frame around a body that is already bytes."""
    return _HEAD.pack(kind, _MSGPACK, packing, len(body)) + body


def answer_frames(method: str, value: object) -> list[bytes]:
    """A successful answer: a stream for the long ones, else one frame."""
    shape = STREAMED.get(method)
    if shape is None or not isinstance(value, tuple if shape is Kind.TABLE2 else list):
        return [frame(Kind.RESPONSE, value)]
    return [
        frame(Kind.STREAM_START, None),
        *(frame(shape, part) for part in _parts(shape, value)),
        frame(Kind.STREAM_END, None),
    ]


STREAMED = {
    "all_instruments_by_type": Kind.TABLE,
    "get_daybar_v": Kind.FEED,
    "get_live_ticks": Kind.TABLE2,
    "get_minbar_v": Kind.FEED,
    "get_tickbar": Kind.FEED,
}
"""The methods that are answered by a stream, and of which frames."""


def _parts(shape: Kind, value: list | tuple) -> Iterator[list]:
    """The bodies of the data frames; a table begins with its keys."""
    rows = list(value)
    if shape is Kind.TABLE and rows:
        keys = list(dict.fromkeys(key for row in rows for key in row))
        rows = [keys, *([row.get(key) for key in keys] for row in rows)]
    elif shape is Kind.TABLE2:
        keys, found = value
        rows = [keys, *found]
    for start in range(0, len(rows), _FEED_ROWS):
        yield rows[start : start + _FEED_ROWS]


def read(stream: BinaryIO) -> tuple[int, object] | None:
    """The next frame's kind and value; ``None`` where the peer has gone."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, _, packing, length = _HEAD.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        return None
    if packing == _BROTLI:
        body = brotli.decompress(body)
    return kind, msgpack.loads(body, raw=False) if body else None


def _marked(value: object) -> object:
    if isinstance(value, datetime):
        return {"__$dt__": int((value - _EPOCH).total_seconds())}
    if isinstance(value, date):
        return {"__$da__": (value - _EPOCH.date()).days}
    raise TypeError(f"the wire carries no {type(value).__name__}")
