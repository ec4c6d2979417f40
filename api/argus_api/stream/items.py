"""Updates as both dialects write them: one encoding for all who want the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from argus_api import wire
from argus_core import BadParameter, Trade
from argus_core.streaming.bars import LiveBar
from argus_core.streaming.topics import BARS, DEPTH, QUOTES, TRADES, Update

BAR_FIELDS = ("open", "high", "low", "close", "volume", "turnover")
TRADE_FIELDS = ("price", "volume", "direction")
_LABELS = ("symbol", "timestamp", "time", "date")

Row = dict[str, Any]
Encode = Callable[[Any], bytes]


@dataclass(slots=True, eq=False)
class Piece:
    """An update in its bytes, and the whole message where it goes alone."""

    body: bytes
    alone: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ItemView:
    """The fields of a channel that some clients want, in the form that they take.

    Two clients that want the same share one view, and so the bytes.
    """

    channel: str
    fields: frozenset[str] | None
    encode: Encode
    shape: Callable[[Row, Update], Row]
    """Puts the row and what is known of its origin together, as the dialect has it."""

    @property
    def lasting(self) -> bool:
        """True: an update says the same whenever it is read."""
        return True

    def fragment(self, update: Update) -> Piece:
        """The update in its bytes."""
        return Piece(self.encode(self.shape(row_of(update, self.fields), update)))


@dataclass(slots=True)
class Views:
    """The views of one dialect, each made once."""

    encode: Encode
    shape: Callable[[Row, Update], Row]
    _made: dict[tuple[str, frozenset[str] | None], ItemView] = field(
        default_factory=dict[tuple[str, "frozenset[str] | None"], ItemView]
    )

    def of(self, channel: str, fields: Sequence[str] | None) -> ItemView:
        """The view of a channel with these fields; :class:`BadParameter` names an unknown one."""
        wanted = None if fields is None else checked(channel, fields)
        known = self._made.get((channel, wanted))
        if known is None:
            known = ItemView(channel, wanted, self.encode, self.shape)
            self._made[channel, wanted] = known
        return known


def fields_of(channel: str) -> tuple[str, ...]:
    """The fields that a client may pick of a channel."""
    if channel == QUOTES:
        return wire.QUOTE_FIELDS
    if channel == DEPTH:
        return wire.DEPTH_GROUPS
    return TRADE_FIELDS if channel == TRADES else BAR_FIELDS


def checked(channel: str, fields: Sequence[str]) -> frozenset[str]:
    """The fields as a set; :class:`BadParameter` if the channel has no such field."""
    allowed = fields_of(channel)
    strangers = [name for name in fields if name not in allowed and name not in _LABELS]
    if strangers:
        raise BadParameter(
            f"the channel {channel} has no field {strangers[0]!r}",
            details={"parameter": "fields", "allowed": list(allowed)},
        )
    return frozenset(fields).difference(_LABELS)


def row_of(update: Update, fields: frozenset[str] | None) -> Row:
    """What an update says, without its origin; the labels are always there."""
    if update.channel == QUOTES:
        return _only(wire.quote(update.value), fields)
    if update.channel == DEPTH:
        groups = [name for name in wire.DEPTH_GROUPS if fields is None or name in fields]
        return {"symbol": update.symbol, **wire.depth(update.value, groups)}
    if update.channel == TRADES:
        return _only(_trade(update), fields)
    return _only(_bar(update.value), fields)


def origin_of(update: Update, inner: frozenset[str]) -> Row:
    """Who brought an update, and what must be known of it, where there is something to know."""
    carrier = update.carrier
    told: Row = {"source": carrier.source}
    via = [name for name in carrier.via if name not in inner]
    if via:
        told["via"] = via
    if update.stale:
        told["stale"] = True
    if carrier.simulated:
        told["simulated"] = True
    if carrier.replay is not None:
        told["replay"] = dict(carrier.replay)
    return told


def _only(row: Row, fields: frozenset[str] | None) -> Row:
    if fields is None:
        return row
    return {name: value for name, value in row.items() if name in fields or name in _LABELS}


def _trade(update: Update) -> Row:
    value: Trade = update.value
    return {"symbol": update.symbol, **wire.trade(value)}


def _bar(bar: LiveBar) -> Row:
    row: Row = {"symbol": bar.symbol, "time": wire.instant(bar.time), "date": bar.date.isoformat()}
    row |= {name: getattr(bar, name) for name in BAR_FIELDS}
    row["volume"] = wire.count(bar.volume)
    row |= {"built_from": bar.built_from, "final": bar.final}
    if bar.partial:
        row["partial"] = True
    return row


def is_channel(name: str, periods: Mapping[str, object]) -> bool:
    """True if there is such a channel."""
    if name.startswith(BARS):
        return name.removeprefix(BARS) in periods
    return name in (QUOTES, DEPTH, TRADES)
