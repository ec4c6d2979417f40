"""Makes the live bars of one symbol and period, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from argus_core.market.kinds import kind_of
from argus_core.market.units import provable
from argus_core.model.period import Period
from argus_core.model.records import Quote, Trade
from argus_core.model.symbol import Symbol
from argus_core.streaming.bars import (
    BuiltFrom,
    FromSnapshots,
    FromTrades,
    LiveBar,
    Making,
    WholeDay,
    of_source,
)
from argus_core.streaming.slots import Slot, slot_of

KEPT: Final = 3
"""Final bars that may still be replaced by the source's own."""
_NO_TIME: Final = timedelta(0)


class Builder:
    """Takes what a stream says, in order, and gives what is new of the bars.

    A bar that is final is given once as such, and never again but for :meth:`corrected`.
    """

    def __init__(self, symbol: Symbol, period: Period) -> None:
        self.symbol = symbol
        self.period = period
        self.late = 0
        """Snapshots and trades that came after their bar was final."""
        self._priced = provable(symbol, kind_of(symbol))
        self.forget()

    def forget(self) -> None:
        """Begin as if nothing had been heard."""
        self._making: Making | None = None
        self._said: LiveBar | None = None
        self._finals: deque[LiveBar] = deque(maxlen=KEPT)
        self._through: datetime | None = None
        """The end of the last bar that is final."""
        self._seen: Quote | None = None
        self._day: date | None = None
        """The trading date of what was seen last."""
        self._missed = True
        """True from a gap, and from the beginning, until something is heard again."""
        self._unsure: datetime | None = None
        """The end of the last slot of which something before may have been missed."""
        self._lag = _NO_TIME
        self._minute: datetime | None = None
        self._within: Slot | None = None

    def update(
        self,
        quote: Quote,
        trades: Sequence[Trade] | None,
        at: datetime,
        lag: timedelta = _NO_TIME,
    ) -> list[LiveBar]:
        """What is new since a snapshot of the aware instant ``at``, bars that are over first.

        ``trades`` are the new ones, None where the stream does not tell them. ``lag`` is by how
        much the snapshot was late.
        """
        slot = self._slot(at)
        if slot is None or self._of_another_day(quote, slot):
            return []
        if self._missed:
            self._missed = False
            self._judge(quote, trades, slot)
        if not self.period.intraday:
            said = self._whole_day(quote, slot)
        elif trades is None:
            said = self._snapshot(quote, slot)
        else:
            said = self._traded(trades)
        if not self._fallen(quote, slot):
            self._seen, self._day = quote, slot.date
        if said:
            self._lag = lag
        return said

    def gap(self) -> None:
        """Take note that something may be missing between the last update and the next one."""
        self._missed = True

    def closed(self, now: datetime) -> list[LiveBar]:
        """The bar that is over by the aware instant ``now`` of its market, if there is one."""
        making = self._making
        if making is None or now <= making.slot.settles + self._lag:
            return []
        making.cut = making.cut or self._missed
        return [self._finished(making)]

    def corrected(self, row: Mapping[str, Any]) -> LiveBar | None:
        """The source's own bar in place of a final one; None if it says nothing else.

        ``row`` is one of history, of this symbol and period.
        """
        label = "time" if self.period.intraday else "date"
        for place, bar in enumerate(self._finals):
            if getattr(bar, label) == row[label]:
                own = of_source(bar, row)
                if own is not None:
                    self._finals[place] = own
                return own
        return None

    def _slot(self, at: datetime, *, trade: bool = False) -> Slot | None:
        """The slot of an instant; within a minute it is always the same, but for its first one."""
        minute = at.replace(second=0, microsecond=0)
        if minute == at:
            return slot_of(self.symbol, self.period, at, trade=trade)
        if minute != self._minute:
            self._minute, self._within = minute, slot_of(self.symbol, self.period, at, trade=trade)
        return self._within

    # -- what was missed ------------------------------------------------------------------------

    def _of_another_day(self, quote: Quote, slot: Slot) -> bool:
        """True for the figures of the trading date before under the stamp of a new one."""
        if self._day is None or self._seen is None or self._day >= slot.date:
            return False
        return bool(quote.volume) and _figures(quote) == _figures(self._seen)

    def _fallen(self, quote: Quote, slot: Slot) -> bool:
        """True for a volume below what it was: of a vendor who lags, or who counts coarsely.

        In the first bar of a day such a fall may be the end of the figures of the day before.
        """
        seen = self._seen_on(slot)
        if seen is None or seen.volume is None or quote.volume is None or slot.first:
            return False
        return quote.volume < seen.volume

    def _judge(self, quote: Quote, trades: Sequence[Trade] | None, slot: Slot) -> None:
        """Find out what the gap before an update has spoilt."""
        making = self._making
        if making is not None and making.slot.date != slot.date:
            making.cut = True
        seen = self._seen_on(slot)
        known = 0.0 if seen is None else seen.volume
        told = sum(trade.volume for trade in trades or ())
        if known is not None and quote.volume == known + told:
            return  # nothing was traded meanwhile
        if slot.first and trades is None and (quote.high is not None or not self.period.intraday):
            return  # all of the day so far lies in this bar
        newest = self._newest(trades, slot)
        if making is not None:
            over = making.slot.end < newest
            making.torn, making.cut = making.torn or not over, making.cut or over
        if making is None or making.cut:
            self._seen = None  # whether this bar has seen a trade yet is not known either
        self._unsure = newest

    def _newest(self, trades: Sequence[Trade] | None, slot: Slot) -> datetime:
        """The end of the last slot that an update tells of."""
        if not trades:
            return slot.end
        at = max(trade.time for trade in trades)
        last = self._slot(at, trade=True)
        return slot.end if last is None else max(slot.end, last.end)

    def _seen_on(self, slot: Slot) -> Quote | None:
        """The last snapshot, if it is of the same trading date."""
        return self._seen if self._day == slot.date else None

    def _whole(self, slot: Slot) -> bool:
        return self._unsure is None or slot.end > self._unsure

    # -- what is added --------------------------------------------------------------------------

    def _snapshot(self, quote: Quote, slot: Slot) -> list[LiveBar]:
        said = self._over(slot)
        if not self._tells_of_trades(quote, slot):
            return said
        if self._is_over(slot):
            self.late += 1
            return said
        if isinstance(self._making, FromTrades):
            self._drop(slot)
        making = self._making
        if not isinstance(making, FromSnapshots):
            nothing = Quote(symbol=self.symbol, volume=0.0, turnover=0.0)
            since = self._seen_on(slot) or nothing
            blank = self._blank(slot, "snapshots")
            making = self._making = FromSnapshots(slot, blank, since, self._whole(slot))
        making.add(quote)
        return [*said, *self._news(making)]

    def _traded(self, trades: Sequence[Trade]) -> list[LiveBar]:
        said: list[LiveBar] = []
        for trade in sorted(trades, key=lambda trade: trade.time):
            slot = self._slot(trade.time, trade=True)
            if slot is None:
                continue
            said += self._over(slot)
            if self._is_over(slot):
                self.late += 1
                continue
            if isinstance(self._making, FromSnapshots):
                self._drop(slot)
            making = self._making
            if not isinstance(making, FromTrades):
                blank, whole = self._blank(slot, "trades"), self._whole(slot)
                making = self._making = FromTrades(slot, blank, whole, self._priced)
            making.add(trade)
        if trades and self._making is not None:
            said += self._news(self._making)
        return said

    def _whole_day(self, quote: Quote, slot: Slot) -> list[LiveBar]:
        said = self._over(slot)
        if not _has_traded(quote):
            return said
        if self._is_over(slot):
            self.late += self._tells_of_trades(quote, slot)
            return said
        making = self._making
        if isinstance(making, WholeDay):
            making.last = quote
        else:
            making = self._making = WholeDay(slot, self._blank(slot, "snapshots"), quote)
        return [*said, *self._news(making)]

    def _tells_of_trades(self, quote: Quote, slot: Slot) -> bool:
        """True if something was traded since the last snapshot, as far as can be known."""
        seen = self._seen_on(slot)
        if seen is None:
            return _has_traded(quote) and self._whole(slot)
        if quote.volume is None:
            return _has_traded(quote) and _figures(quote) != _figures(seen)
        return quote.volume > (seen.volume or 0.0)

    def _is_over(self, slot: Slot) -> bool:
        """True if the bar of a slot is final, or a later one has begun."""
        if self._making is not None and slot.end < self._making.slot.end:
            return True
        return self._through is not None and slot.end <= self._through

    def _drop(self, slot: Slot) -> None:
        """Begin the bar anew, without what was before: the stream tells other things now."""
        self._making, self._unsure = None, slot.end

    # -- what is said ---------------------------------------------------------------------------

    def _over(self, slot: Slot) -> list[LiveBar]:
        """The bar in the making, final, if ``slot`` is a later one."""
        making = self._making
        return [self._finished(making)] if making and slot.end > making.slot.end else []

    def _finished(self, making: Making) -> LiveBar:
        bar = replace(making.bar(), final=True)
        self._making, self._said, self._through = None, None, making.slot.end
        self._finals.append(bar)
        return bar

    def _news(self, making: Making) -> list[LiveBar]:
        bar = making.bar()
        if bar == self._said:
            return []
        self._said = bar
        return [bar]

    def _blank(self, slot: Slot, built_from: BuiltFrom) -> LiveBar:
        return LiveBar(
            symbol=self.symbol,
            period=self.period,
            time=slot.end,
            date=slot.date,
            built_from=built_from,
        )


def _has_traded(quote: Quote) -> bool:
    """True if the day has seen a trade, as far as the quote tells."""
    if quote.volume is not None:
        return quote.volume > 0
    # An index has no volume of its own
    return quote.price is not None and (quote.open is not None or quote.high is not None)


def _figures(quote: Quote) -> tuple[float | None, ...]:
    """What changes with a trade, and the close that the day began from."""
    return (
        quote.prev_close,
        quote.price,
        quote.open,
        quote.high,
        quote.low,
        quote.volume,
        quote.turnover,
    )
