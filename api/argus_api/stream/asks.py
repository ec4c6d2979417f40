"""What clients say, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from reprlib import repr as short
from typing import Any, cast

import msgspec
import orjson

from argus_api.stream.items import checked, is_channel
from argus_core import BadParameter, Period, Symbol, parse_symbol
from argus_core.errors import TooLarge
from argus_core.model.answer import Failure
from argus_core.streaming.hub import Since
from argus_core.streaming.topics import BARS, DEPTH, QUOTES, TRADES

PERIODS = {str(period): period for period in Period if period not in (Period.W1, Period.MON1)}
CHANNELS = (QUOTES, DEPTH, TRADES, *(BARS + period for period in PERIODS))
"""What a client may listen to."""
ACTIONS = ("subscribe", "unsubscribe", "ping", "get_stats", "list", "auth")
"""What a client may say."""
LONGEST_PAUSE = 3600_000
"""Milliseconds that a client may let pass between two batches."""
_SHOWN = 60


class Unreadable(BadParameter):
    """A message that is no message of this protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a client wants to hear."""

    channel: str = QUOTES
    symbols: tuple[Symbol, ...] = ()
    rejected: Mapping[str, Failure] = field(default_factory=dict[str, Failure])
    fields: tuple[str, ...] | None = None
    interval: float = 0.0
    since: Mapping[Symbol, Since] = field(default_factory=dict[Symbol, Since])


def decoded(message: Mapping[str, Any], *, binary: bool) -> dict[str, Any]:
    """The object in a message; :class:`Unreadable` if there is none."""
    text, data = message.get("text"), message.get("bytes")
    if binary and data is None:
        raise Unreadable("this subprotocol takes MessagePack in binary frames")
    try:
        body: Any
        if binary:
            body = msgspec.msgpack.decode(data or b"")
        else:
            body = orjson.loads((data or b"") if text is None else text)
    except (ValueError, TypeError, msgspec.MsgspecError, RecursionError):
        form = "MessagePack" if binary else "JSON"
        raise Unreadable(f"the message is not {form}") from None
    if not isinstance(body, dict):
        raise Unreadable('a message is an object such as {"action": "ping"}')
    return cast("dict[str, Any]", body)


def want_of(body: Mapping[str, Any], *, most: int) -> Want:
    """What a ``subscribe`` message wants; :class:`BadParameter` says what is wrong with it."""
    channel = channel_of(body)
    symbols, rejected = symbols_of(body, most=most)
    fields = _texts(body, "fields")
    if fields is not None:
        checked(channel, fields)
    return Want(
        channel=channel,
        symbols=symbols,
        rejected=rejected,
        fields=None if fields is None else tuple(fields),
        interval=_interval(body),
        since=_since(body, symbols),
    )


def channel_of(body: Mapping[str, Any], default: str = QUOTES) -> str:
    """The channel that a message speaks of."""
    channel = body.get("channel", default)
    if not isinstance(channel, str) or not is_channel(channel, PERIODS):
        raise BadParameter(
            f"channel must be one of {', '.join(CHANNELS)}, not {shown(channel)}",
            details={"parameter": "channel", "allowed": list(CHANNELS)},
        )
    return channel


def symbols_of(
    body: Mapping[str, Any], *, most: int
) -> tuple[tuple[Symbol, ...], dict[str, Failure]]:
    """The symbols of a message, each once, and why others cannot be read."""
    texts = _texts(body, "symbols", "symbol")
    if not texts:
        raise BadParameter(
            'symbols must be a list such as ["600519.SH"]', details={"parameter": "symbols"}
        )
    if len(texts) > most:
        raise TooLarge(
            f"at most {most} symbols a connection, here are {len(texts)}",
            details={"parameter": "symbols", "most": most},
        )
    symbols: dict[Symbol, None] = {}
    rejected: dict[str, Failure] = {}
    for text in texts:
        try:
            symbols[parse_symbol(text)] = None
        except BadParameter as error:
            rejected[text[:_SHOWN]] = Failure(code=error.code, message=error.message)
    return tuple(symbols), rejected


def _texts(body: Mapping[str, Any], *names: str) -> list[str] | None:
    """A list of texts under one of the names, or one text with commas; None if there is none."""
    for name in names:
        given = body.get(name)
        if given is None:
            continue
        told: object = given.split(",") if isinstance(given, str) else given
        parts = cast("list[Any] | None", told)
        if not isinstance(parts, list) or not all(isinstance(one, str) for one in parts):
            raise BadParameter(
                f"{name} must be a list of texts, not {shown(given)}", details={"parameter": name}
            )
        return [text.strip() for text in parts if text.strip()]
    return None


def _interval(body: Mapping[str, Any]) -> float:
    """Seconds between two batches."""
    given = body.get("interval_ms", 0)
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not 0 <= given <= LONGEST_PAUSE:
        raise BadParameter(
            f"interval_ms must be between 0 and {LONGEST_PAUSE}, not {shown(given)}",
            details={"parameter": "interval_ms"},
        )
    return float(given) / 1000


def _since(body: Mapping[str, Any], symbols: tuple[Symbol, ...]) -> dict[Symbol, Since]:
    """What was heard last of each symbol, as ``{"epoch": …, "seq": {symbol: number}}`` says."""
    given = body.get("since")
    if given is None:
        return {}
    told = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    epoch: Any = told.get("epoch")
    seqs = cast("dict[Any, Any] | None", told.get("seq"))
    if not isinstance(epoch, str) or not isinstance(seqs, dict):
        raise BadParameter(
            'since must be {"epoch": "…", "seq": {"600519.SH": 12}}', details={"parameter": "since"}
        )
    heard: dict[Symbol, Since] = {}
    wanted = frozenset(symbols)
    for text, seq in seqs.items():
        if not isinstance(text, str) or type(seq) is not int or seq < 0:
            raise BadParameter(
                "since.seq must map symbols to whole numbers", details={"parameter": "since"}
            )
        symbol = parse_symbol(text)
        if symbol in wanted:
            heard[symbol] = Since(epoch, seq)
    return heard


def shown(value: object) -> str:
    """What was sent, short enough to be sent back, however large or deep it is."""
    return short(value)[:_SHOWN]
