"""What was asked of the tiers lately, and how often each symbol was asked for."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from itertools import chain, islice

from argus_core.clock import SHANGHAI, Clock
from argus_core.model.query import Query

Access = tuple[float, tuple[str, ...], tuple[str, ...], Query | None]
"""A question: its monotonic second, its cache key texts, those that were not fresh, and the query.

The query is kept only where something was missed: whatever else a note holds are numbers and
texts, through which the garbage collector need not walk again and again.
"""
Group = tuple[date, str, str]
"""A Shanghai date, a dataset, and a period ("" where the dataset has none)."""
Counts = dict[Group, Counter[str]]
"""How often each symbol was asked for, by group."""

BOUND = 100_000
"""Keys that are remembered with their second."""
DISTINCT = 200_000
"""Different symbols that are counted between two collections; more are left out."""
_BATCH = 4096

_BY_SYMBOL = frozenset(
    {"quotes", "depth", "bars", "ticks", "factors", "instruments", "main_contracts"}
)
_BY_PERIOD = frozenset({"bars"})


class Accesses:
    """The recent questions, bounded, and counts per symbol that somebody may collect.

    A note is an append; counting and forgetting are done once for thousands of keys.
    """

    def __init__(self, clock: Clock, *, bound: int = BOUND) -> None:
        self._clock = clock
        self._monotonic = clock.monotonic
        self._bound = bound
        self._batch = self._due = min(_BATCH, bound)
        self._recent: deque[Access] = deque()
        self._counted = 0
        self._held = 0
        self._counts: Counts = {}
        self._room = DISTINCT

    def note(self, query: Query, texts: Mapping[str, str], hits: Mapping[str, object]) -> None:
        """Remember a question: its keys by cache key text, and what was fresh by key."""
        asked = len(texts)
        if len(hits) >= asked:
            self._recent.append((self._monotonic(), tuple(texts), (), None))
        else:
            missed = tuple([text for text, key in texts.items() if key not in hits])
            self._recent.append((self._monotonic(), tuple(texts), missed, query))
        self._due -= asked
        if self._due <= 0:
            self._tidy()

    def recent(self) -> list[Access]:
        """The remembered questions, the oldest first; about the last ``bound`` keys of them."""
        self._tidy()
        return list(self._recent)

    def take(self) -> Counts:
        """The counts since they were last taken."""
        self._tidy()
        taken, self._counts, self._room = self._counts, {}, DISTINCT
        return taken

    def give_back(self, counts: Counts) -> None:
        """Add counts that were taken and could not be kept."""
        for group, symbols in counts.items():
            self._add(group, symbols)

    def _tidy(self) -> None:
        """Count what was noted since the last time, and forget what is beyond the bound."""
        recent = self._recent
        self._count(list(islice(reversed(recent), len(recent) - self._counted)))
        self._held += self._batch - self._due
        while self._held > self._bound:
            self._held -= len(recent.popleft()[1])
        self._counted = len(recent)
        self._due = self._batch

    def _count(self, accesses: list[Access]) -> None:
        now, second = self._clock.now().astimezone(SHANGHAI), self._monotonic()
        today = now.date()
        midnight = second - (now - datetime.combine(today, time(), SHANGHAI)).total_seconds()
        before = [access for access in accesses if access[0] < midnight]
        if before:
            self._sort(today - timedelta(days=1), before)
            accesses = [access for access in accesses if access[0] >= midnight]
        self._sort(today, accesses)

    def _sort(self, day: date, accesses: Iterable[Access]) -> None:
        """Add the accesses of one day to their groups."""
        groups: Counts = {}
        texts = Counter(chain.from_iterable(access[1] for access in accesses))
        for text, times in texts.items():
            dataset, _, rest = text.partition(":")
            if dataset in _BY_SYMBOL:
                symbol, _, variant = rest.partition(":")
                period = variant.partition(":")[0] if dataset in _BY_PERIOD else ""
                groups.setdefault((day, dataset, period), Counter())[symbol] += times
        for group, symbols in groups.items():
            self._add(group, symbols)

    def _add(self, group: Group, symbols: Counter[str]) -> None:
        counts = self._counts.setdefault(group, Counter())
        if len(symbols) > self._room:
            symbols = Counter({key: n for key, n in symbols.items() if key in counts})
        before = len(counts)
        counts.update(symbols)
        self._room -= len(counts) - before
