"""One instrument on the simulated exchange: its days, its state at an instant, its bars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from argus_core import Kind, Quote, sessions_of
from argus_demo.day import TICKS, Bar, Day, Plan, crowd, draw_day
from argus_demo.listed import Listed
from argus_demo.paths import Happening, Path, band_of, draw
from argus_demo.timetable import Hours, Timetable

_SEALED = 0.4  # how far beyond the limit a sealed day would have gone, in parts of its move
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class State:
    """Where an instrument stands: the session of its last trade, and that trade's number."""

    session: int
    count: int


class Market:
    """Everything that can be known of one instrument. All of it follows from the seed."""

    def __init__(self, seed: int, listed: Listed, timetable: Timetable) -> None:
        self.listed = listed
        self._seed = seed
        self._timetable = timetable
        self._hours = sessions_of(listed.symbol)
        self._sessions = timetable.sessions(listed.list_date, listed.delist_date)
        self._path = Path(seed, listed, self._sessions.start)
        every = sum(part.minutes for part in self._hours)
        daytime = sum(part.minutes for part in self._hours if part.sitting)
        self._busy = {minutes: crowd(minutes) for minutes in (every, daytime)}
        # Yesterday's and today's, for quotes; long ranges are drawn day by day and forgotten.
        self.day = lru_cache(maxsize=2)(self._draw)

    def hours(self, session: int) -> Hours:
        """When the instrument trades in a session."""
        return self._timetable.hours(self._hours, session)

    def state(self, now: datetime) -> State | None:
        """The last trade by ``now``; ``None`` if there has been none yet."""
        # One session ahead, because its night may have begun.
        ahead = self._timetable.sessions(self.listed.list_date, now.date()).stop
        for session in range(min(ahead, self._sessions.stop - 1), self._sessions.start - 1, -1):
            if self._path.suspended(session):
                continue
            count = self.hours(session).elapsed(now)
            if count:
                return State(session, count)
        return None

    def quote(self, state: State) -> Quote:
        """The quote that the trades up to ``state`` add up to."""
        day, listed = self.day(state.session), self.listed
        bar = day.so_far(state.count)
        return Quote(
            symbol=listed.symbol,
            name=listed.name,
            as_of=self.hours(state.session).tick_time(state.count),
            price=listed.price_of(bar.close),
            prev_close=listed.price_of(day.plan.reference),
            open=listed.price_of(bar.open),
            high=listed.price_of(bar.high),
            low=listed.price_of(bar.low),
            volume=listed.volume_of(bar.lots),
            turnover=listed.turnover_of(bar.value),
        )

    def day_bars(self, start: date, end: date, now: datetime) -> Iterator[dict[str, Any]]:
        """Rows of the schema ``BARS``, one a trading date; today's as far as it has come."""
        for session, day, count in self._traded(start, end, now):
            complete = count == day.minutes * TICKS
            row = self._row(day.bar() if complete else day.so_far(count))
            row["time"] = self._timetable.dates[session]
            row["prev_close"] = self.listed.price_of(day.plan.reference)
            if self.listed.kind is Kind.FUTURE and complete:
                row |= self._settled(session, row)
            yield row

    def minute_bars(self, start: date, end: date, now: datetime) -> Iterator[dict[str, Any]]:
        """Rows of the schema ``BARS``, one a minute; the running one as far as it has come."""
        for session, day, count in self._traded(start, end, now):
            whole, rest = divmod(count, TICKS)
            ends = self.hours(session).minute_ends()
            for minute in range(whole):
                yield self._row(day.bar(minute, minute + 1)) | {"time": ends[minute]}
            if rest:
                yield self._row(day.begun(whole, rest)) | {"time": ends[whole]}

    def factors(self, start: date, end: date) -> Iterator[dict[str, Any]]:
        """Rows of the schema ``FACTORS``: the one in force at ``start`` and every change."""
        dates, sessions = self._timetable.dates, self._sessions
        if not sessions or dates[sessions.start] > end:
            return
        through = self._timetable.sessions(self.listed.list_date, end).stop - 1
        changes = [(dates[sessions.start], 1.0)]
        changes += [(dates[at], factor) for at, factor in self._path.dividends(through)]
        earlier = [change for change in changes if change[0] <= start]
        for day, factor in earlier[-1:] + changes[len(earlier) :]:
            yield {"symbol": self.listed.symbol, "date": day, "factor": factor}

    def _traded(self, start: date, end: date, now: datetime) -> Iterator[tuple[int, Day, int]]:
        """Each session with trades by ``now``, and how many of them."""
        state = self.state(now)
        if state is None:
            return
        asked = self._timetable.sessions(start, end)
        first = max(asked.start, self._sessions.start)
        for session in range(first, min(asked.stop, state.session + 1)):
            if not self._path.suspended(session):
                day = self._draw(session)
                done = session < state.session
                yield session, day, day.minutes * TICKS if done else state.count

    def _draw(self, session: int) -> Day:
        listed = self.listed
        reference, close = self._path.reference(session), self._path.close(session)
        event = self._path.happening(session)
        sealed = event is not None and event.what in (Happening.LIMIT_UP, Happening.LIMIT_DOWN)
        low, high = (1, _NO_LIMIT) if listed.band is None else band_of(reference, listed.band)
        plan = Plan(
            reference=reference,
            low_limit=low,
            high_limit=high,
            target=close + round((close - reference) * _SEALED) if sealed else close,
            swing=close * listed.volatility,
            lots=listed.volume / listed.lot,
        )
        minutes = self._timetable.minutes(self._hours, session)
        return draw_day(plan, self._busy[minutes], f"{self._seed}/{listed.symbol}/{session}")

    def _row(self, bar: Bar) -> dict[str, Any]:
        listed = self.listed
        return {
            "symbol": listed.symbol,
            "open": listed.price_of(bar.open),
            "high": listed.price_of(bar.high),
            "low": listed.price_of(bar.low),
            "close": listed.price_of(bar.close),
            "volume": listed.volume_of(bar.lots),
            "turnover": listed.turnover_of(bar.value),
        }

    def _settled(self, session: int, row: dict[str, Any]) -> dict[str, Any]:
        """What a futures exchange adds after the close: the average price, the open interest."""
        listed = self.listed
        average = row["turnover"] / row["volume"] / listed.value
        (crowding,) = draw(1, self._seed, listed.symbol, "open interest", session)
        return {
            "settle": listed.price_of(round(average / listed.tick)),
            "open_interest": float(round(listed.volume * (1.2 + crowding / 512))),
        }
