"""Stretches of dates, as an archive knows them: which are sealed, which are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Self

from argus_core.errors import BeyondHorizon
from argus_core.market import calendar

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
_SUNDAY: Final = 6

HasSession = Callable[[date, date], bool]
"""Whether a trading date lies between two dates, both inclusive."""


def trades_between(first: date, last: date) -> bool:
    """True if the mainland trades on a day from ``first`` to ``last``, both inclusive.

    Beyond the calendar's horizon every weekday counts as one, so that nothing is taken for sealed
    that may not be.
    """
    if first > last:
        return False
    try:
        return calendar.next_session(max(first, date.min + _DAY) - _DAY) <= last
    except BeyondHorizon:
        return has_weekday(max(first, calendar.horizon() + _DAY), last)


def has_weekday(first: date, last: date) -> bool:
    """True if a Monday to Friday lies from ``first`` to ``last``, both inclusive."""
    if first > last:
        return False
    days = (last - first).days + 1
    weekday = first.weekday()
    return weekday < _SATURDAY or weekday + days - 1 > _SUNDAY


def any_day(first: date, last: date) -> bool:
    """True if any day at all lies from ``first`` to ``last``: every gap matters."""
    return first <= last


@dataclass(frozen=True, slots=True)
class Spans:
    """Sorted, disjoint, inclusive stretches of dates; immutable.

    Stretches that no trading date parts are one: a week sealed from Monday to Friday and the next
    one make a fortnight. For the same reason days without trading are never missing.
    """

    pairs: tuple[tuple[date, date], ...] = ()
    has_session: HasSession = field(default=trades_between, compare=False, repr=False)

    @classmethod
    def of(
        cls, pairs: Iterable[tuple[date, date]], has_session: HasSession = trades_between
    ) -> Self:
        """The stretches of ``pairs`` in any order, overlapping or not; reversed pairs are none."""
        merged: list[tuple[date, date]] = []
        for first, last in sorted(pair for pair in pairs if pair[0] <= pair[1]):
            if not merged:
                merged.append((first, last))
                continue
            begun, until = merged[-1]
            if first <= until or not has_session(until + _DAY, first - _DAY):
                merged[-1] = (begun, max(until, last))
            else:
                merged.append((first, last))
        return cls(tuple(merged), has_session)

    def __iter__(self) -> Iterator[tuple[date, date]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def union(self, other: Iterable[tuple[date, date]]) -> Spans:
        """What either holds."""
        return Spans.of((*self.pairs, *other), self.has_session)

    def minus(self, other: Iterable[tuple[date, date]]) -> Spans:
        """What this holds and ``other`` does not; leftovers without a trading date are none."""
        left = list(self.pairs)
        for begin, end in other:
            left = [piece for pair in left for piece in _without(pair, begin, end)]
        return Spans.of((pair for pair in left if self.has_session(*pair)), self.has_session)

    def within(self, start: date, end: date) -> Spans:
        """What this holds from ``start`` to ``end``, both inclusive."""
        cut = ((max(first, start), min(last, end)) for first, last in self.pairs)
        return Spans.of(cut, self.has_session)

    def covers(self, start: date, end: date) -> bool:
        """True if no trading date from ``start`` to ``end``, both inclusive, is missing."""
        return not self.missing(start, end)

    def missing(self, start: date, end: date) -> Spans:
        """The stretches from ``start`` to ``end``, both inclusive, that are not held.

        Each begins and ends where the hole does, so it may begin or end on a day without trading;
        each holds at least one trading date.
        """
        return Spans.of([(start, end)], self.has_session).minus(self.pairs)


def _without(pair: tuple[date, date], begin: date, end: date) -> Iterator[tuple[date, date]]:
    """What is left of ``pair`` once the days from ``begin`` to ``end`` are taken out."""
    first, last = pair
    if begin > end or end < first or begin > last:
        yield pair
        return
    if first < begin:
        yield first, begin - _DAY
    if end < last:
        yield end + _DAY, last
