"""The calls of each account by the vendor's day: what has to outlive nodes and processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

_KEPT = 3
"""Days that are kept besides those to come: a clock may jump and be put right again."""

Calls = Mapping[int, int]
"""Calls by day, the ordinal of a date in Beijing."""


class Owner(NamedTuple):
    """Whose calls they are: a source's name, and the identity of the account behind it."""

    source: str
    identity: bytes


class Days:
    """The calls of one interface by day: this process' own, and what others told of theirs.

    The clock is believed as it stands. Set back over midnight, it finds the calls of the day that
    it has left still counted for that day, and for the present one as well, since they were made;
    those of a day further ahead were made under a wrong date, and move to the present one.
    """

    def __init__(self) -> None:
        self.lasting = False
        """True if a limit of a day or longer was stated, so that the calls are to be kept."""
        self._own: dict[int, int] = {}
        self._others: dict[int, int] = {}
        self._written: dict[int, int] = {}
        self._latest: int | None = None

    def used(self, day: int) -> int:
        """The calls that count for a day, which is today."""
        self._turn_to(day)
        return sum(told.get(d, 0) for told in (self._own, self._others) for d in (day, day + 1))

    def book(self, day: int, calls: int) -> None:
        """Add calls of this process, made today."""
        self._turn_to(day)
        self._own[day] = self._own.get(day, 0) + calls

    def hear(self, others: Calls) -> None:
        """Learn how many calls other processes made, earlier ones or those beside this one."""
        self.lasting = self.lasting or bool(others)
        known = self._others
        self._others = {day: max(n, known.get(day, 0)) for day, n in {**known, **others}.items()}

    def unwritten(self) -> dict[int, int]:
        """This process' calls of the days on which they are not what was last written."""
        if not self.lasting:
            return {}
        return {day: n for day, n in self._own.items() if self._written.get(day) != n}

    def wrote(self, calls: Calls) -> None:
        """Note that these were written."""
        self._written.update(calls)

    def _turn_to(self, day: int) -> None:
        before, self._latest = self._latest, day
        if before == day:
            return
        if before is not None and day < before:
            for wrong in [d for d in self._own if d > day + 1]:
                self._own[day] = self._own.get(day, 0) + self._own[wrong]
                self._own[wrong] = 0
        for told in (self._own, self._others, self._written):
            for old in sorted(told)[:-_KEPT]:
                if old < day:
                    del told[old]


class Page:
    """The interfaces of one account."""

    def __init__(self) -> None:
        self._interfaces: dict[str, Days] = {}

    def __iter__(self) -> Iterator[tuple[str, Days]]:
        return iter(self._interfaces.items())

    def days(self, interface: str) -> Days:
        """The days of an interface, empty ones if nothing is known of it."""
        return self._interfaces.setdefault(interface, Days())


class Daybook:
    """The pages of all accounts of a gateway. A node that is made anew goes on with its page."""

    def __init__(self) -> None:
        self._pages: dict[Owner, Page] = {}

    def __iter__(self) -> Iterator[tuple[Owner, Page]]:
        return iter(self._pages.items())

    def page(self, owner: Owner) -> Page:
        """The page of an account, an empty one if nothing is known of it."""
        return self._pages.setdefault(owner, Page())
