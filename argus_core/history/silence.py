"""Days that were sealed without a row, and are looked at again once rows appear beside them.

A source that was late, or out of its quota, said nothing of more days than those that it happens to
be asked for again. Pure: spans and dates in, spans out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from argus_core.history.spans import Spans, any_day

_DAY: Final = timedelta(days=1)

Pair = tuple[date, date]


@dataclass(frozen=True, slots=True)
class SealedDays:
    """The sealed days of a series, and those of them that have a row, ascending.

    ``bar`` gives the first and the last day of the bar that a row's day stands for.
    """

    held: Spans
    rows: Sequence[date]
    bar: Callable[[date], Pair]

    def added(self, told: Collection[date]) -> list[date]:
        """The trading dates of ``told``, which have a row now, that were sealed without one."""
        known, trades = set(self.rows), self.held.has_session
        return [day for day in told if day not in known and self._sealed(day) and trades(day, day)]

    def doubted(self, told: Collection[date], days: Spans) -> Spans:
        """The silent days that lie next to an answer about ``days`` which adds rows at its edge.

        Where the answer itself says that the day before, or after, has no row, silence is true.
        """
        doubts = [pair for day in self.added(told) for pair in self._beside(day, days)]
        return Spans.of((pair for pair in doubts if self.held.has_session(*pair)), any_day).minus(
            days
        )

    def _beside(self, day: date, days: Spans) -> Iterator[Pair]:
        """The silent days before and after the answer, if the row of ``day`` is at its edge."""
        trades = self.held.has_session
        begin, end = self.bar(day)
        for first, last in days:
            if not first <= day <= last:
                continue
            for since, until in self._sealed(day):
                if not trades(first, begin - _DAY):
                    yield max(since, self._end_before(first)), first - _DAY
                if not trades(end + _DAY, last):
                    yield last + _DAY, min(until, self._start_after(last))

    def _sealed(self, day: date) -> list[Pair]:
        return [pair for pair in self.held if pair[0] <= day <= pair[1]]

    def _end_before(self, day: date) -> date:
        """The day after the last bar before ``day``."""
        place = bisect_left(self.rows, day)
        return self.bar(self.rows[place - 1])[1] + _DAY if place else date.min

    def _start_after(self, day: date) -> date:
        """The day before the first bar after ``day``."""
        place = bisect_right(self.rows, day)
        return self.bar(self.rows[place])[0] - _DAY if place < len(self.rows) else date.max
