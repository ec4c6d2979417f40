"""Bars as they come into being: of snapshots, of trades, or of the day's own figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from operator import gt, lt
from typing import Any, Final, Literal, Protocol

from argus_core.model.period import Period
from argus_core.model.records import Quote, Trade
from argus_core.model.symbol import Symbol
from argus_core.streaming.slots import Slot

BuiltFrom = Literal["snapshots", "trades", "source"]

_DIGITS: Final = 4
"""Decimals of sums and differences, beyond which binary arithmetic blurs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBar:
    """A bar as far as it has come.

    Prices in yuan as traded, volume in shares, turnover in yuan; what is not known is None.
    """

    symbol: Symbol
    period: Period
    time: datetime
    """The bar's end, aware, Shanghai; for a day the midnight that begins the trading date."""
    date: date
    """The trading date: a night session belongs to the one that follows it."""
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None
    turnover: float | None = None
    built_from: BuiltFrom = "snapshots"
    """``source`` if it is the source's own bar."""
    final: bool = False
    """True if nothing is added any more."""
    partial: bool = False
    """True if some of its time was not heard; what is not known for that reason is None."""


class Making(Protocol):
    """A bar in the making."""

    slot: Slot
    torn: bool
    """True if something was missed within it, and something was heard of it afterwards."""
    cut: bool
    """True if it is not known what came after the last that was heard."""

    def bar(self) -> LiveBar:
        """The bar as far as it has come."""
        ...


@dataclass(slots=True, eq=False)
class FromSnapshots:
    """A bar of the snapshots that tell of new trades.

    Volume and turnover are differences of the day's figures. Between two snapshots only the last
    price is known; but where the day's high or low moves, that trade lies in this bar.
    """

    slot: Slot
    blank: LiveBar
    """The bar without a value."""
    since: Quote
    """The last snapshot before the bar, or before what was heard of it."""
    whole: bool
    """True if ``since`` lies before the bar."""
    torn: bool = False
    cut: bool = False
    _last: Quote | None = None
    _open: float | None = None
    _high: float | None = None
    _low: float | None = None

    def add(self, quote: Quote) -> None:
        """Let a snapshot with something new count."""
        self._last, price = quote, quote.price
        if price is None:
            return
        if self._open is None or self._high is None or self._low is None:
            self._open = self._high = self._low = price
        self._high, self._low = max(self._high, price), min(self._low, price)

    def bar(self) -> LiveBar:
        """The bar as far as it has come."""
        last, since = self._last or self.since, self.since
        # Where nothing was traded before, the day's own figures are the bar's
        begins = since.volume == 0
        opened = last.open if begins and last.open is not None else self._open
        seen = self.whole and not self.torn
        high = _extreme(last.high, None if begins else since.high, gt, begins=begins)
        low = _extreme(last.low, None if begins else since.low, lt, begins=begins)
        if high is None and seen:
            high = self._high
        if low is None and seen:
            low = self._low
        if self.cut:
            return replace(self.blank, open=opened if self.whole else None, partial=True)
        return replace(
            self.blank,
            open=opened if self.whole else None,
            high=high,
            low=low,
            close=last.price,
            volume=_difference(last.volume, since.volume) if self.whole else None,
            turnover=_difference(last.turnover, since.turnover) if self.whole else None,
            partial=not seen,
        )


@dataclass(slots=True, eq=False)
class FromTrades:
    """A bar of each of its trades."""

    slot: Slot
    blank: LiveBar
    whole: bool
    """True if every trade since its beginning was heard, as far as is known."""
    priced: bool
    """True if price times volume is what was paid: not so with futures."""
    torn: bool = False
    cut: bool = False
    _open: float | None = None
    _high: float = 0.0
    _low: float = 0.0
    _close: float | None = None
    _volume: float = 0.0
    _turnover: float = 0.0

    def add(self, trade: Trade) -> None:
        """Let a trade count."""
        price = trade.price
        if self._open is None:
            self._open = self._high = self._low = price
        self._high, self._low = max(self._high, price), min(self._low, price)
        self._close = price
        self._volume += trade.volume
        self._turnover += price * trade.volume

    def bar(self) -> LiveBar:
        """The bar as far as it has come."""
        opened = self._open if self.whole else None
        if self.cut or self.torn or not self.whole:
            close = None if self.cut else self._close
            return replace(self.blank, open=opened, close=close, partial=True)
        return replace(
            self.blank,
            open=opened,
            high=self._high,
            low=self._low,
            close=self._close,
            volume=round(self._volume, _DIGITS),
            turnover=round(self._turnover, _DIGITS) if self.priced else None,
        )


@dataclass(slots=True, eq=False)
class WholeDay:
    """A bar of the day, which each snapshot tells whole."""

    slot: Slot
    blank: LiveBar
    last: Quote
    torn: bool = False
    """Of no consequence: the next snapshot tells what was missed."""
    cut: bool = False

    def bar(self) -> LiveBar:
        """The bar as far as it has come."""
        last = self.last
        if self.cut:
            return replace(self.blank, open=last.open, partial=True)
        return replace(
            self.blank,
            open=last.open,
            high=last.high,
            low=last.low,
            close=last.price,
            volume=last.volume,
            turnover=last.turnover,
        )


VALUES: Final[tuple[str, ...]] = ("open", "high", "low", "close", "volume", "turnover")
"""The fields that may be unknown."""


def of_source(bar: LiveBar, row: Mapping[str, Any]) -> LiveBar | None:
    """The source's own bar in place of ``bar``; None if it says nothing else.

    ``row`` is one of history, of the same symbol, period and time.
    """
    values = {name: row[name] for name in VALUES}
    same = all(value in (None, getattr(bar, name)) for name, value in values.items())
    if same and not bar.partial:
        return None
    return replace(bar, **values, built_from="source", partial=False)


def _extreme(
    now: float | None,
    before: float | None,
    beyond: Callable[[float, float], bool],
    *,
    begins: bool,
) -> float | None:
    """The day's high or low if it was reached in this bar, else None."""
    if now is None or (before is None and not begins):
        return None
    return now if before is None or beyond(now, before) else None


def _difference(now: float | None, before: float | None) -> float | None:
    """By how much a figure of the day has grown; None if that cannot be said."""
    if now is None or before is None or now < before:
        return None
    return round(now - before, _DIGITS)
