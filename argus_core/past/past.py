"""Bars and factors out of the archive; sources are asked only for what is missing there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from argus_core.answers import Answers
from argus_core.caching.tiers import Tiers, keys_of
from argus_core.clock import Clock
from argus_core.errors import ArgusError
from argus_core.history.archive import Archive
from argus_core.model.answer import Answer, Failure, Provenance, merged
from argus_core.model.ask import Ask
from argus_core.model.codec import as_of
from argus_core.model.query import BarsQuery, FactorsQuery, Query
from argus_core.model.symbol import Symbol
from argus_core.past.bars import BarsForm
from argus_core.past.factors import FactorsForm
from argus_core.past.forms import Form
from argus_core.past.reader import Reader
from argus_core.past.search import Search
from argus_core.past.shelf import ArchiveShelf, SeriesQuery, Shelves
from argus_core.past.verify import Verification
from argus_core.past.wants import Pools, Want
from argus_core.routing.node import Node
from argus_core.routing.router import Router
from argus_core.routing.trust import doubted
from argus_core.tables import HistoryTable


class Past:
    """Answers queries as :class:`Answers` does, bars and factors out of the archive.

    What is settled of a series is read from the archive of one source and fetched from the same
    where it is missing; the running day comes out of the tiers. Nothing of two sources is ever in
    one series. With ``offline``, nobody is asked.
    """

    def __init__(
        self,
        answers: Answers,
        tiers: Tiers,
        router: Router,
        archive: Archive,
        *,
        clock: Clock,
        table: HistoryTable,
        offline: bool = False,
    ) -> None:
        self._answers = answers
        self._router = router
        self._clock = clock
        self._table = table
        self._offline = offline
        self._reader = Reader(archive)
        self._shelves = Shelves(archive, self._reader, answers, tiers, clock)

    async def fetch(self, query: Query, ask: Ask) -> Answer[Any]:
        """The answer; raises what the router raises if not a single key could be answered."""
        if not isinstance(query, BarsQuery | FactorsQuery):
            return await self._answers.fetch(query, ask)
        form = self._form(query)
        ranked = self._router.ranked(query)
        kept = tuple(symbol for symbol in query.symbols if self._keeps(form, query, symbol, ranked))
        rest = tuple(symbol for symbol in query.symbols if symbol not in kept)
        if not kept:
            return await self._answers.fetch(query, ask)
        answers = [self._counted(form, query.only(kept), ask, ranked)]
        if not rest:
            return await answers[0]
        answers.append(self._answers.fetch(query.only(rest), ask))
        return await _together((kept, rest), answers)

    async def verify(self, limit: int) -> int:
        """How many sealed stretches, the oldest first, were fetched again from their source.

        What it corrected since is archived, and noted as revisions. Where it cannot be heard, its
        days are left for later. Raises :class:`CacheError` if the archive fails.
        """
        verification = Verification(self._shelves, self._router)
        heard = 0
        for stretch in await verification.due(limit):
            form = self._form(stretch.query((stretch.start, stretch.end)))
            heard += await verification.verified(stretch, form)
        return heard

    async def aclose(self) -> None:
        """Give up what is under way."""
        await self._reader.aclose()
        await self._shelves.silences.aclose()

    def _form(self, query: SeriesQuery) -> Form:
        if isinstance(query, BarsQuery):
            return BarsForm(query.period, self._table)
        return FactorsForm(self._table)

    def _keeps(
        self, form: Form, query: SeriesQuery, symbol: Symbol, ranked: Mapping[str, Pools]
    ) -> bool:
        """True if some of the question is settled, and what its sources say is live and theirs.

        What a source passes on comes from one vendor today and from another tomorrow; the gateway
        that it comes from keeps each in a series of its own.
        """
        sources = [node.source for pool in ranked.get(symbol, ()) for node in pool]
        if not sources or any(source.simulated or source.relays for source in sources):
            return False
        if any(source.replaying is not None for source in sources):
            return False
        return query.start <= form.sealed(symbol, self._clock.now())

    async def _counted(
        self, form: Form, query: SeriesQuery, ask: Ask, ranked: Mapping[str, Pools]
    ) -> Answer[Any]:
        """The answer; a consumer's question is noted with what of it had to be asked of nobody."""
        fresh: dict[str, Provenance] = {}
        try:
            answer = await self._kept(form, query, ask, ranked)
            told = answer.provenance.items()
            fresh = {key: origin for key, origin in told if origin.cache and not origin.stale}
        finally:
            if ask.use_cache and not ask.background:
                self._shelves.tiers.note(query, keys_of(query), fresh)
        return answer

    async def _kept(
        self, form: Form, query: SeriesQuery, ask: Ask, ranked: Mapping[str, Pools]
    ) -> Answer[Any]:
        if not ask.use_cache and not self._offline:
            return await self._anew(form, query, ask, ranked)
        now = self._clock.now()
        barred = self._barred(query, ranked)
        wants = {
            symbol: Want(
                symbol=symbol,
                asked=(query.start, query.end),
                sealed=form.sealed(symbol, now),
                pools=ranked[symbol],
                barred=frozenset(name for name, keys in barred.items() if symbol in keys),
            )
            for symbol in query.symbols
        }
        search = Search(
            shelves=self._shelves,
            form=form,
            query=query,
            ask=ask,
            wants=wants,
            offline=self._offline,
        )
        return await search.answer()

    def _barred(self, query: SeriesQuery, ranked: Mapping[str, Pools]) -> dict[str, frozenset[str]]:
        """The symbols for which each source is in quarantine."""
        nodes: dict[str, Node] = {n.name: n for pools in ranked.values() for p in pools for n in p}
        return {name: doubted(node, query) for name, node in nodes.items()}

    async def _anew(
        self, form: Form, query: SeriesQuery, ask: Ask, ranked: Mapping[str, Pools]
    ) -> Answer[Any]:
        """Everything from the sources; what is settled of it is archived, corrections are noted."""
        names = {node.name for pools in ranked.values() for pool in pools for node in pool}
        shelf = ArchiveShelf(self._shelves, form, tuple(names), blind=True)
        answer = await self._answers.fetch(query, ask, shelf=shelf)
        span = self._shelves.tiers.freshness.span
        provenance = {
            key: replace(
                origin,
                as_of=as_of(answer.data[key]),
                fresh_until=span(query, key, answer.data[key], origin.fetched_at).fresh_until,
            )
            for key, origin in answer.provenance.items()
        }
        return replace(answer, provenance=provenance)


async def _together(
    groups: Sequence[tuple[Symbol, ...]], answers: Sequence[Awaitable[Answer[Any]]]
) -> Answer[Any]:
    """One answer of several; raises the first error if none is answered."""
    ended = await asyncio.gather(*answers, return_exceptions=True)
    good = [answer for answer in ended if isinstance(answer, Answer)]
    for group, error in zip(groups, ended, strict=True):
        if not isinstance(error, BaseException):
            continue
        if not isinstance(error, ArgusError) or not good:
            raise error
        failure = Failure(code=error.code, message=error.message)
        good.append(Answer(data={}, errors=dict.fromkeys(group, failure), provenance={}))
    return merged(good)
