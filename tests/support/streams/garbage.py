"""What a client may send, right or wrong: messages, frames and handshakes for a fuzzer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import msgpack
from hypothesis import strategies as st
from support.streams.market import SYMBOLS
from websockets.frames import Frame, Opcode

ACTIONS = ("subscribe", "unsubscribe", "ping", "get_stats", "list", "auth")
CHANNELS = ("quotes", "depth", "trades", "bars.1m", "bars.1d", "bars.1w", "bars.", "")
FIELDS = ("price", "volume", "symbol", "orderbook", "trades", "open", "nothing")
PROTOCOLS = ("argus.v2", "argus.v2.msgpack", "argus.v3", "chat")
_SMALL = 1 << 12


@dataclass(frozen=True)
class Handshake:
    """What a client offers, and what it shows of itself."""

    protocols: tuple[str, ...] = ()
    key: str | None = None
    """``good``, or the text of a wrong one; None: no key."""
    bearer: bool = False
    origin: str | None = None
    query: str = ""

    @property
    def binary(self) -> bool:
        """True if MessagePack is what will be spoken."""
        known = [name for name in self.protocols if name in PROTOCOLS[:2]]
        return known[:1] == ["argus.v2.msgpack"]


@dataclass(frozen=True)
class Script:
    """A whole visit."""

    handshake: Handshake
    steps: tuple[object, ...] = field(default=())
    """Messages as objects, or frames as bytes."""

    def sent(self) -> bytes:
        """The bytes after the handshake."""
        return b"".join(
            step if isinstance(step, bytes) else message(step, binary=self.handshake.binary)
            for step in self.steps
        )


def message(body: object, *, binary: bool) -> bytes:
    """A message in one masked frame; what its form cannot hold goes as the other form."""
    try:
        data = msgpack.packb(body) if binary else json.dumps(body).encode()
    except (TypeError, OverflowError, ValueError, RecursionError):
        data = repr(body).encode(errors="replace")
    return Frame(Opcode.BINARY if binary else Opcode.TEXT, data).serialize(mask=True)


def nested(depth: int) -> object:
    """A list in a list in a list."""
    body: object = []
    for _ in range(depth):
        body = [body]
    return body


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**63 - 1),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([*SYMBOLS[:3], "600519", "sh600000", "CF501.CZCE", "x" * 5000, "a,b,,c"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
_KEYS = st.one_of(st.text(max_size=9), st.sampled_from(SYMBOLS))
SINCE = st.fixed_dictionaries(
    {},
    optional={
        "epoch": st.one_of(st.text(max_size=12), VALUES),
        "seq": st.one_of(
            VALUES,
            st.dictionaries(st.one_of(st.text(max_size=9), st.sampled_from(SYMBOLS)), VALUES),
        ),
    },
)
MESSAGES = st.fixed_dictionaries(
    {"action": st.one_of(st.sampled_from(ACTIONS), st.sampled_from(ACTIONS), VALUES)},
    optional={
        "id": VALUES,
        "key": VALUES,
        "channel": st.one_of(st.sampled_from(CHANNELS), VALUES),
        "symbols": st.one_of(
            st.lists(st.sampled_from(SYMBOLS), max_size=5),
            st.lists(st.one_of(st.sampled_from(SYMBOLS), st.text(max_size=12)), max_size=5),
            VALUES,
        ),
        "fields": st.one_of(st.lists(st.sampled_from(FIELDS), max_size=4), VALUES),
        "interval_ms": st.one_of(st.integers(-1, 4_000_000), VALUES),
        "since": st.one_of(SINCE, VALUES),
    },
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One frame of any kind, usually one that a client may send."""
    opcode = draw(st.sampled_from(list(Opcode)))
    data = draw(st.one_of(st.binary(max_size=130), st.binary(max_size=_SMALL)))
    frame = Frame(
        opcode,
        data,
        fin=draw(st.sampled_from([True, True, True, False])),
        rsv1=draw(st.sampled_from([False] * 7 + [True])),
    )
    try:
        return frame.serialize(mask=draw(st.sampled_from([True] * 7 + [False])))
    except Exception:  # noqa: BLE001 - the library refuses to write what is no frame
        return Frame(Opcode.BINARY, data).serialize(mask=True)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """A message cut into several frames, with a ping in between."""
    data = json.dumps({"action": "ping", "id": draw(st.integers(0, 9))}).encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    sent = b""
    for place, part in enumerate(parts):
        opcode = Opcode.CONT if place else Opcode.TEXT
        sent += Frame(opcode, part, fin=place == len(parts) - 1).serialize(mask=True)
        if draw(st.booleans()):
            sent += Frame(Opcode.PING, b"?").serialize(mask=True)
    return sent


STEPS = st.one_of(
    MESSAGES,
    MESSAGES,
    VALUES,
    frames(),
    fragmented(),
    st.binary(max_size=200),
)
HANDSHAKES = st.builds(
    Handshake,
    protocols=st.lists(st.sampled_from(PROTOCOLS), max_size=3, unique=True).map(tuple),
    key=st.sampled_from([None, "good", "good", "argus_nobody_knows", "ключ"]),
    bearer=st.booleans(),
    origin=st.sampled_from([None, None, None, "https://elsewhere.example"]),
    query=st.sampled_from(["", "", "", "?api_key=argus_x", "?x=%ff"]),
)
SCRIPTS = st.builds(Script, HANDSHAKES, st.lists(STEPS, max_size=6).map(tuple))
