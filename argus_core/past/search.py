"""One question about series: source by source, until each is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from argus_core.answers.answers import MARGIN, OFFLINE
from argus_core.answers.draft import Draft
from argus_core.errors import AllSourcesFailed, ArgusError
from argus_core.history.archive import SeriesKey, Spans
from argus_core.market import calendar
from argus_core.market.hours import first_move, next_trading_date
from argus_core.model.answer import UNHEARD, Answer, Failure, Provenance, Trace
from argus_core.model.ask import Ask
from argus_core.model.codec import as_of
from argus_core.model.symbol import Symbol
from argus_core.past.attempt import ARCHIVE, Attempt
from argus_core.past.forms import Form
from argus_core.past.outcomes import Forgotten, Outcome, Outdated, Whole
from argus_core.past.plan import A_DAY, Choice, Gap, longest
from argus_core.past.reader import NOTHING, Look
from argus_core.past.shelf import SeriesQuery, Shelves, assembled, series_key
from argus_core.past.verdict import outweighs_silence, refusal, worst
from argus_core.past.wants import Want

OLD_SECONDS: Final = 5.0
"""Seconds that reading an old part may take, after the time for asking is over."""


@dataclass(slots=True, kw_only=True)
class Search:
    """The way of one question from source to source; used once."""

    shelves: Shelves
    form: Form
    query: SeriesQuery
    ask: Ask
    wants: Mapping[Symbol, Want]
    offline: bool
    draft: Draft = field(init=False)
    errors: list[ArgusError] = field(default_factory=list[ArgusError])
    looks: dict[SeriesKey, Look] = field(default_factory=dict[SeriesKey, Look])

    def __post_init__(self) -> None:
        self.draft = Draft(self.query)

    async def answer(self) -> Answer[Any]:
        """The series of every symbol that some source has; raises if none could be answered."""
        pending = list(self.query.symbols)
        await self._look(pending)
        while pending and (self.offline or self.ask.deadline.remaining > 0):
            attempts = self._attempts(pending)
            await asyncio.gather(*(attempt.run() for attempt in attempts))
            left: list[Symbol] = []
            grown: list[Symbol] = []
            for attempt in attempts:
                self.draft.traces.extend(attempt.traces)
                self.errors.extend(attempt.errors)
                for symbol, outcome in attempt.outcomes.items():
                    if isinstance(outcome, Outdated):
                        grown.append(symbol)
                    elif not self._settled(symbol, attempt, outcome):
                        left.append(symbol)
            await self._look(grown)
            tried = {symbol for attempt in attempts for symbol in attempt.query.symbols}
            pending = [*left, *grown, *(s for s in pending if s not in tried and self._dares(s))]
        await self._conclude()
        if self.errors and not self.draft.data and not self.draft.absent:
            self.draft.raised = [worst(self.errors, late=self._late)]
        return self.draft.finished()

    @property
    def _late(self) -> bool:
        """True if the asker's time is over; a flight ends a little sooner than that."""
        return self.ask.deadline.remaining <= 2 * MARGIN

    def _open(self) -> list[Want]:
        return [want for key, want in self.wants.items() if key not in self.draft.data]

    async def _look(self, symbols: Sequence[Symbol]) -> None:
        """Learn what is archived of these symbols, of every source of their routes."""
        keys = {
            series_key(self.query, name, symbol): self.wants[symbol]
            for symbol in symbols
            for name in self.wants[symbol].names
        }
        looks = await self.shelves.reader.look(keys, self.ask.deadline.remaining)
        self.looks.update(looks)
        for key, want in keys.items():
            want.spans[key.source] = looks[key].spans.get(key, NOTHING)

    # -- asking -------------------------------------------------------------------------------

    def _attempts(self, pending: Sequence[Symbol]) -> list[Attempt]:
        """What to try next; symbols of the same plan are asked for together."""
        plans: dict[tuple[Choice, tuple[Gap, ...]], list[Want]] = {}
        ready = {urgent: self._ready(pending, urgent) for urgent in (False, True)}
        for symbol in pending:
            want = self.wants[symbol]
            usable = want.usable(self.form, ready[want.desperate])
            choice = want.choice(usable)
            if choice is not None:
                want.left = len(usable - choice.sources)
                plans.setdefault((choice, want.gaps(self.form, choice.owner)), []).append(want)
        return [self._attempt(choice, gaps, wants) for (choice, gaps), wants in plans.items()]

    def _attempt(self, choice: Choice, gaps: tuple[Gap, ...], wants: Sequence[Want]) -> Attempt:
        left, many = max(want.left for want in wants), len(choice.sources)
        ask = self.ask
        if left:
            ask = replace(ask, deadline=ask.deadline.share(many / (many + left)))
        return Attempt(
            shelves=self.shelves,
            form=self.form,
            query=self.query.only(tuple(want.symbol for want in wants)),
            choice=choice,
            gaps=gaps,
            wants=self.wants,
            looks=self.looks,
            ask=ask,
            only=choice.sources,
            offline=self.offline,
        )

    def _ready(self, pending: Sequence[Symbol], urgent: bool) -> dict[str, frozenset[str]]:  # noqa: FBT001
        """Which of these symbols each source may be asked about now."""
        if self.offline:
            return {}
        query = self.query.only(tuple(pending))
        nodes = {node.name: node for symbol in pending for node in self.wants[symbol].nodes}
        return {
            name: frozenset(node.ready(query, desperate=urgent)) for name, node in nodes.items()
        }

    def _dares(self, symbol: Symbol) -> bool:
        """True if sources that are cooling down are to be asked, for nobody else is left."""
        want = self.wants[symbol]
        if want.desperate or want.absent is not None or want.spare is not None or self.offline:
            return False
        want.desperate = True
        return True

    # -- deciding -----------------------------------------------------------------------------

    def _settled(self, symbol: Symbol, attempt: Attempt, outcome: Outcome) -> bool:
        """True if the outcome answers the question; otherwise it says whom to leave out."""
        want, choice = self.wants[symbol], attempt.choice
        if isinstance(outcome, Forgotten):
            want.spans[choice.owner or ""] = NOTHING
            return False
        if isinstance(outcome, Whole):
            if outcome.item.value is None:
                want.absent = want.absent or outcome.origin
                want.unsure = want.unsure or outcome.unsure
                want.passed |= want.peers(choice.sources)
                return False
            if not (outcome.origin.stale and want.left and not self._hears(want, choice)):
                self._take(symbol, outcome.item.value, outcome.origin)
                return True
            want.spare = want.spare or outcome
        elif isinstance(outcome, Failure):
            want.failures.append(outcome)
        want.passed |= choice.sources
        if choice.owner is not None and want.left:
            step = f"{choice.owner} failed: the whole series of {symbol} comes from the next source"
            self.draft.traces.append(Trace(dataset=self.query.dataset, steps=[step]))
        return False

    def _hears(self, want: Want, choice: Choice) -> bool:
        """True if a chosen source can be asked: what is stale then is being fetched anew."""
        query = self.query.only((want.symbol,))
        return any(node.ready(query) for node in want.nodes if node.name in choice.sources)

    def _take(self, symbol: Symbol, frame: pl.DataFrame, origin: Provenance) -> None:
        self.draft.data[symbol] = frame
        self.draft.provenance[symbol] = origin

    # -- when nobody has answered -------------------------------------------------------------

    async def _conclude(self) -> None:
        """What is left: an old part, an absence, or why there is nothing."""
        for want in self._open():
            heard = want.absent is not None and not want.failures
            if not heard:
                await self._old(want)
        lost = [w for w in self._open() if not w.failures and w.absent is None]
        if lost:
            await self._refused(lost)
        for want in self._open():
            failures = want.failures
            if failures and (want.absent is None or outweighs_silence(failures)):
                self.draft.errors[want.symbol] = refusal(failures, late=self._late)
            elif want.absent is not None:
                self.draft.absent[want.symbol] = want.absent
                if failures or want.unsure:
                    self.draft.unsure.add(want.symbol)

    async def _refused(self, wants: Sequence[Want]) -> None:
        """Have the route itself say why nobody can be asked."""
        attempt = self._attempt(
            Choice(frozenset(name for want in wants for name in want.names)),
            wants[0].gaps(self.form, None),
            wants,
        )
        attempt.only, attempt.ask = None, self.ask
        await attempt.run()
        self.draft.traces.extend(attempt.traces)
        self.errors.extend(attempt.errors)
        for symbol, outcome in attempt.outcomes.items():
            if isinstance(outcome, Outdated):
                why = "it was being archived while it was asked for"
                self.wants[symbol].failures.append(Failure(code=AllSourcesFailed.code, message=why))
            else:
                self._settled(symbol, attempt, outcome)

    async def _old(self, want: Want) -> None:
        """Serve the archived part alone, or a whole answer that is stale, if that is allowed."""
        if want.spare is not None:
            self._take(want.symbol, want.spare.item.value, want.spare.origin)
            return
        found = {name: longest(want.spans.get(name, NOTHING), *want.asked) for name in want.names}
        held = {name: pair for name, pair in found.items() if pair is not None}
        if not held:
            return
        source = max(held, key=lambda name: held[name][1] - held[name][0])
        first, last = held[source]
        key = series_key(self.query, source, want.symbol)
        stretches = self.form.stretches(want.spans[source], (first, last))
        parts = await self.shelves.reader.read([(key, stretches)], OLD_SECONDS)
        part = parts.get((key, stretches))
        item = assembled(self.form, source, (first, last), part, {}) if part else None
        if item is None or item.value is None:
            return
        lacks_since = self._lacks_since(want, first, last)
        most = self.ask.max_staleness
        if most is not None and not self._within(lacks_since, most):
            return
        why = OFFLINE if self.offline else UNHEARD
        origin = Provenance(
            source=source,
            fetched_at=item.fetched_at,
            fresh_until=lacks_since,
            as_of=as_of(item.value),
            cache=ARCHIVE,
            stale=True,
            reason=f"{why}: the archive of {source} has {first} to {last} of it",
            resolution=item.resolution,
        )
        self._take(want.symbol, item.value, origin)

    def _lacks_since(self, want: Want, first: date, last: date) -> datetime:
        """Since when the archived dates are not all that there is of the question; now at most.

        What is sealed stays true however long ago it was fetched: out of date is an answer by the
        first trading date that it lacks.
        """
        now = self.shelves.clock.now()
        missing = Spans(((first, last),)).missing(*want.asked).pairs
        if not missing:
            return now
        start = max(missing[0][0], calendar.first())
        return min(now, first_move(want.symbol, next_trading_date(start - A_DAY)))

    def _within(self, since: datetime, most: float) -> bool:
        """True if that instant lies at most so many seconds back; never where that is 0."""
        return most > 0 and (self.shelves.clock.now() - since).total_seconds() <= most
