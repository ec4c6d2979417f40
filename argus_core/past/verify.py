"""A second look at what was sealed, so that late corrections are noticed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from argus_core.errors import ArgusError, CacheError
from argus_core.history.archive import SeriesKey
from argus_core.market.ranges import bars_query
from argus_core.model.ask import Ask, Deadline
from argus_core.model.period import Period
from argus_core.model.query import FactorsQuery
from argus_core.model.symbol import Symbol
from argus_core.past.forms import Form, Range
from argus_core.past.shelf import ArchiveShelf, SeriesQuery, Shelves
from argus_core.routing.node import Node
from argus_core.routing.router import Router

log = logging.getLogger(__name__)

AGE: Final = timedelta(days=1)
"""How long ago something was sealed before it is looked at again."""
SECONDS: Final = 60.0
"""The time that one question may take."""
_LOOKED_AT: Final = 10
"""So many times more stretches are considered than fetched: some sources may be away."""
_DAYS: Final = timedelta(days=3660)
_MINUTE_DAYS: Final = timedelta(days=92)
_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sealed days of one series, few enough for one question."""

    key: SeriesKey
    start: date
    end: date

    @property
    def symbol(self) -> Symbol:
        """Whose they are."""
        return Symbol(self.key.symbol)

    def query(self, asked: Range) -> SeriesQuery:
        """The question about these dates of the series."""
        start, end = asked
        if self.key.dataset == "bars":
            return bars_query((self.symbol,), Period(self.key.period), start, end)
        return FactorsQuery(symbols=(self.symbol,), start=start, end=end)


@dataclass(frozen=True, slots=True)
class Verification:
    """Fetches sealed days once more from the source that they came from."""

    shelves: Shelves
    router: Router

    async def due(self, limit: int) -> list[Stretch]:
        """The oldest stretches that were not looked at again and whose source can be asked now."""
        before = self.shelves.clock.now() - AGE
        archive = self.shelves.archive
        found = await asyncio.to_thread(
            archive.unverified, sealed_before=before, limit=limit * _LOOKED_AT
        )
        due: list[Stretch] = []
        for stretch in (part for one in found for part in _parts(*one)):
            node = self._node(stretch)
            if node is None:
                # Its source is configured no more: nobody can ever be asked.
                await asyncio.to_thread(archive.verified, stretch.key, stretch.start, stretch.end)
            elif node.ready(stretch.query((stretch.start, stretch.end))):
                due.append(stretch)
        return due[:limit]

    async def verified(self, stretch: Stretch, form: Form) -> bool:
        """True if the source was heard again; what it corrected is in the archive."""
        archive, key = self.shelves.archive, stretch.key
        asked: Range = (stretch.start, stretch.end)
        if form.whole:
            spans = (await asyncio.to_thread(archive.covered, [key]))[key]
            asked = next(iter(form.stretches(spans, asked)), asked)
        began = self.shelves.clock.now()
        shelf = ArchiveShelf(self.shelves, form, (key.source,), blind=True)
        ask = Ask(deadline=Deadline.within(SECONDS, self.shelves.clock), use_cache=False)
        only = frozenset({key.source})
        try:
            answer = await self.shelves.answers.fetch(
                stretch.query(asked), ask, only=only, shelf=shelf
            )
        except CacheError:
            raise
        except ArgusError as error:
            log.info("%s of %s cannot be verified now: %s", key.symbol, key.source, error.code)
            return False
        if answer.errors:
            return False
        # What was corrected just now may be corrected again: it is looked at once more.
        await asyncio.to_thread(
            archive.verified, key, stretch.start, stretch.end, sealed_before=began
        )
        return True

    def _node(self, stretch: Stretch) -> Node | None:
        query = stretch.query((stretch.start, stretch.end))
        pools = self.router.ranked(query)[stretch.symbol]
        nodes = (node for pool in pools for node in pool)
        return next((node for node in nodes if node.name == stretch.key.source), None)


def _parts(key: SeriesKey, start: date, end: date) -> Iterator[Stretch]:
    """The stretch in pieces that a source answers in one go."""
    most = _MINUTE_DAYS if key.intraday else _DAYS
    while start <= end:
        last = min(end, start + most)
        yield Stretch(key, start, last)
        start = last + _A_DAY
