"""Frames between the gateway and a worker: a JSON head and, for tables, a binary body."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, Any

import orjson

_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. ``head`` holds what JSON can say, ``body`` a table as an Arrow IPC stream."""

    head: dict[str, Any]
    body: bytes = b""


def encoded(frame: Frame) -> bytes:
    """The frame as bytes; TypeError if its head holds what JSON cannot say."""
    head = orjson.dumps(frame.head)
    return b"".join((_LENGTHS.pack(len(head), len(frame.body)), head, frame.body))


def read(stream: IO[bytes]) -> Frame | None:
    """The next frame of a blocking stream; None at its end, be it in the middle of a frame."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    size, extra = _LENGTHS.unpack(lengths)
    head, body = stream.read(size), stream.read(extra) if extra else b""
    if len(head) < size or len(body) < extra:
        return None
    return Frame(orjson.loads(head), body)


def write(stream: IO[bytes], data: bytes) -> None:
    """Send encoded bytes; OSError if nobody reads any more."""
    stream.write(data)
    stream.flush()
