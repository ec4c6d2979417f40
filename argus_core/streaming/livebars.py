"""The live bars that somebody listens to, made of what the stream says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from argus_core.clock import Clock
from argus_core.errors import ArgusError
from argus_core.model.answer import Answer
from argus_core.model.ask import Ask, Deadline
from argus_core.model.period import Period
from argus_core.model.query import HistoryQuery
from argus_core.model.records import Depth, Quote
from argus_core.model.request import Priority, requesting
from argus_core.model.symbol import Symbol
from argus_core.streaming.asking import carrier_of
from argus_core.streaming.bars import LiveBar
from argus_core.streaming.builder import Builder
from argus_core.streaming.hub import Hub
from argus_core.streaming.lines import Line
from argus_core.streaming.topics import BAR_PERIODS, QUOTES, Carrier, Update

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at what is over."""
SEALED: Final = 10.0
"""Seconds after the first final bar of a period when the source is asked for its own ones."""
ANSWERING: Final = 15.0
"""Seconds that it may take to answer."""
MOST: Final = 200
"""Symbols whose bars are asked for at once; those of further ones stay as they were made."""
PAUSE: Final = timedelta(minutes=10)
"""For how long bars are not asked for after nobody had any that were final."""
_NO_TIME: Final = timedelta(0)
_LONGEST_LAG: Final = timedelta(seconds=60)
_AGAIN: Final = timedelta(minutes=10)
"""By how much a recorded day goes back if it begins again."""

History = Callable[[HistoryQuery, Ask], Awaitable[Answer[pl.DataFrame]]]
"""Bars as a consumer asks for them."""


@dataclass(slots=True)
class Wanted:
    """The source's own bars of one period and time that may be asked for."""

    first: LiveBar
    """The one that was final first."""
    due: float
    """The monotonic instant at which to ask."""
    symbols: dict[Symbol, None] = field(default_factory=dict[Symbol, None])


class LiveBars:
    """Says bars in the topics of their channels; see ``docs/use/live-bars.md``.

    A builder begins when somebody asks for its channel and ends when its symbol is not brought any
    more. ``history``, where it is given, is asked for the source's own bars.
    """

    def __init__(
        self,
        hub: Hub,
        lines: Mapping[Symbol, Line],
        *,
        clock: Clock,
        history: History | None = None,
    ) -> None:
        self._hub = hub
        self._lines = lines
        self._clock = clock
        self._history = history
        self._builders: dict[Symbol, dict[str, Builder]] = {}
        self._following: dict[Symbol, Line] = {}
        """How each symbol was brought when its builders began."""
        self._carriers: dict[Symbol, Carrier] = {}
        self._played: dict[str, datetime] = {}
        """The newest instant of each source that plays a recorded day."""
        self._wanted: dict[Period, Wanted] = {}
        self._asked: dict[Period, datetime] = {}
        """The time of the last bars that are not asked for, or not again."""

    @property
    def late(self) -> int:
        """Snapshots and trades that came after their bar was final."""
        return sum(one.late for own in self._builders.values() for one in own.values())

    async def run(self) -> None:
        """Finish bars when their time is over and have them replaced, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._finish())
            group.create_task(self._replace())

    def begin(self, channel: str, symbols: Sequence[Symbol]) -> None:
        """Make the bars of a channel from now on; what is known of each symbol is its beginning.

        Nothing happens where the channel is none of bars.
        """
        period = BAR_PERIODS.get(channel)
        if period is None:
            return
        self._forget_gone()
        for symbol in symbols:
            builders = self._builders.get(symbol, {})
            line = self._lines.get(symbol)
            if line is None or channel in builders:
                continue
            builder = builders[channel] = Builder(symbol, period)
            self._builders[symbol], self._following[symbol] = builders, line
            topic = self._hub.topics.get((QUOTES, symbol))
            if topic is not None and topic.last is not None:
                self._known(builder, channel, topic.last)
            if line.source is None or topic is None or topic.last is None or topic.last.stale:
                builder.gap()  # what is known was asked for, and the stream may begin later

    def _known(self, builder: Builder, channel: str, last: Update) -> None:
        """Let what was said last of a symbol be the first that its builder hears."""
        quote: Quote = last.value
        stamp = quote.as_of or last.at
        self._carriers.setdefault(builder.symbol, last.carrier)
        if last.carrier.replay is not None:
            self._plays(last.carrier.source, stamp)
        for bar in builder.update(quote, None, stamp):
            self._say(channel, bar, last.carrier, last.at, stale=last.stale)

    def _forget_gone(self) -> None:
        """Drop the builders of symbols that are not brought any more, or anew."""
        for symbol, line in list(self._following.items()):
            if self._lines.get(symbol) is not line:
                del self._following[symbol], self._builders[symbol]
                self._carriers.pop(symbol, None)

    def brought(
        self,
        symbol: Symbol,
        value: Depth | Quote,
        carrier: Carrier,
        at: datetime,
        *,
        stale: bool = False,
    ) -> None:
        """Let a value count in the bars of its symbol; one that was old when it came does not.

        Values of a symbol come in order of time, but that a recorded day may begin again.
        """
        builders = self._builders.get(symbol)
        if not builders:
            return
        if stale:
            self.gap((symbol,))
            return
        quote, trades = (value.quote, value.trades) if isinstance(value, Depth) else (value, None)
        self._carriers[symbol] = carrier
        stamp = quote.as_of or at
        lag = min(max(at - stamp, _NO_TIME), _LONGEST_LAG)
        if carrier.replay is not None:
            lag = _NO_TIME
            self._plays(carrier.source, stamp)
        for channel, builder in builders.items():
            for bar in builder.update(quote, trades, stamp, lag):
                self._say(channel, bar, carrier, at)

    def _plays(self, source: str, stamp: datetime) -> None:
        """Take note of how far a recorded day has been played, and begin anew where it does."""
        played = self._played.get(source, stamp)
        if stamp >= played - _AGAIN:
            self._played[source] = max(stamp, played)
            return
        self._played[source] = stamp
        self._asked.clear()
        self._wanted.clear()
        for symbol, carrier in self._carriers.items():
            if carrier.source == source:
                for builder in self._builders[symbol].values():
                    builder.forget()

    def gap(self, symbols: Iterable[Symbol]) -> None:
        """Take note that something of these symbols may be missing from now on."""
        for symbol in symbols:
            for builder in self._builders.get(symbol, {}).values():
                builder.gap()

    def outdated(self, symbols: Iterable[Symbol], at: datetime) -> None:
        """Say the bars in the making once more, flagged: nobody brings these symbols any more."""
        self.gap(symbols := tuple(symbols))
        for symbol in symbols:
            for channel in self._builders.get(symbol, ()):
                topic = self._hub.topics.get((channel, symbol))
                last = None if topic is None else topic.last
                if last is not None and not last.stale and not last.value.final:
                    self._say(channel, last.value, last.carrier, at, stale=True)

    def closed(self, now: datetime) -> None:
        """Say the bars that are over by ``now`` (aware); called about once a second."""
        self._forget_gone()
        for symbol, builders in self._builders.items():
            carrier = self._carriers.get(symbol)
            if carrier is None:
                continue
            # A recorded day has a clock of its own: how far it has been played.
            market = now if carrier.replay is None else self._played[carrier.source]
            for channel, builder in builders.items():
                for bar in builder.closed(market):
                    self._say(channel, bar, carrier, now)

    def _say(
        self, channel: str, bar: LiveBar, carrier: Carrier, at: datetime, *, stale: bool = False
    ) -> None:
        self._hub.say((channel, bar.symbol), bar, carrier, at, stale=stale)
        if bar.final and bar.built_from != "source" and self._history is not None:
            self._want(bar)

    async def _finish(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                self.closed(self._clock.now())
            except Exception:  # it would end the whole stream
                log.exception("live bars could not be finished")

    # -- the source's own bars --------------------------------------------------------------------

    def _want(self, bar: LiveBar) -> None:
        """Have the source asked for its own bar, with those of all other symbols."""
        asked, wanted = self._asked.get(bar.period), self._wanted.get(bar.period)
        if asked is not None and bar.time <= asked:
            return
        if wanted is None or wanted.first.time < bar.time:
            wanted = self._wanted[bar.period] = Wanted(bar, self._clock.monotonic() + SEALED)
        if wanted.first.time == bar.time and len(wanted.symbols) < MOST:
            wanted.symbols[bar.symbol] = None

    async def _replace(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.replaced()
            except Exception:
                log.exception("live bars could not be replaced by the source's own")

    async def replaced(self) -> None:
        """Ask for the source's own bars that are due, and say those that differ."""
        now = self._clock.monotonic()
        for period, wanted in list(self._wanted.items()):
            if now >= wanted.due:
                del self._wanted[period]
                self._asked[period] = wanted.first.time
                await self._one(period, wanted)

    async def _one(self, period: Period, wanted: Wanted) -> None:
        answer = await self._answer(period, wanted)
        rows = [] if answer is None else list(_final_rows(answer))
        if answer is None or not rows:
            # Asking again each minute would cost calls that others need
            self._asked[period] = wanted.first.time + PAUSE
            return
        channel = next(name for name, one in BAR_PERIODS.items() if one is period)
        at = self._clock.now()
        for symbol, row in rows:
            builder = self._builders.get(symbol, {}).get(channel)
            own = None if builder is None else builder.corrected(row)
            if own is not None:
                self._say(channel, own, carrier_of(answer.provenance[symbol]), at)

    async def _answer(self, period: Period, wanted: Wanted) -> Answer[pl.DataFrame] | None:
        """What history says of these bars; None if it cannot be had."""
        if self._history is None:
            return None
        bound = wanted.first.time if period.intraday else wanted.first.date
        query = HistoryQuery(symbols=tuple(wanted.symbols), period=period, start=bound, end=bound)
        deadline = Deadline.within(ANSWERING, self._clock)
        try:
            with requesting(priority=Priority.BATCH):
                return await self._history(
                    query, Ask(deadline=deadline, use_cache=False, background=True)
                )
        except ArgusError as error:
            log.debug("the source's own bars of %s cannot be had: %s", bound, error.code)
        except Exception:
            log.exception("asking for the source's own bars failed")
        return None


def _final_rows(answer: Answer[pl.DataFrame]) -> Iterator[tuple[Symbol, Mapping[str, Any]]]:
    """The bars that their source holds to be final, and has given just now."""
    for key, frame in answer.data.items():
        if answer.provenance[key].stale:
            continue
        for row in frame.filter(pl.col("final")).iter_rows(named=True):
            yield Symbol(key), row
