"""What the tiers hold of a question, and on what terms it may answer."""

from __future__ import annotations

from datetime import datetime

from argus_core.answers.errand import Only
from argus_core.caching.memo import Hit
from argus_core.caching.tiers import Looked, Tiers, keys_of
from argus_core.clock import Clock
from argus_core.market.hours import moving
from argus_core.model.answer import Provenance
from argus_core.model.ask import Ask
from argus_core.model.query import DepthQuery, Query, QuotesQuery
from argus_core.model.symbol import Symbol

MOVING = frozenset({QuotesQuery.dataset, DepthQuery.dataset})
"""Datasets whose values may be others at any moment in which the market moves."""


async def looked_up(tiers: Tiers, query: Query, ask: Ask, only: Only) -> Looked:
    """What the tiers hold of a question, from these sources; a consumer's is noted."""
    return given_by(only, await tiers.get(query, note=not ask.background))


async def looked_up_anew(
    tiers: Tiers, query: Query, ask: Ask, only: Only, clock: Clock
) -> tuple[Looked, dict[str, Hit]]:
    """The same for one who wants what moves anew: what may answer, and the last resort apart."""
    looked = given_by(only, await tiers.get(query, note=False))
    now = clock.now()
    spare: dict[str, Hit] = {}
    for hits in (looked.fresh, looked.stale):
        values = [key for key, hit in hits.items() if not hit.entry.absent]
        spare |= {key: hits.pop(key) for key in values if _moves(key, now)}
    if not ask.background:
        none = sum(hit.value is None for hit in looked.fresh.values())
        tiers.note(query, keys_of(query), looked.fresh, none)
    return looked, spare


def given_by(only: Only, looked: Looked) -> Looked:
    """The hits that come from one of these sources."""
    if only is None:
        return looked
    return Looked(
        fresh={key: hit for key, hit in looked.fresh.items() if hit.entry.source in only},
        stale={key: hit for key, hit in looked.stale.items() if hit.entry.source in only},
    )


def within(hit: Hit, now: datetime, cap: float) -> bool:
    """True if the value's life ended at most ``cap`` seconds ago; never where that is 0."""
    return cap > 0 and (now - hit.fresh_until).total_seconds() <= cap


def capped(seconds: float, ask: Ask) -> float:
    """What a rule allows, or less where the asker says so."""
    return seconds if ask.max_staleness is None else min(seconds, ask.max_staleness)


def older(origin: Provenance, hit: Hit) -> bool:
    """True if a value was old already when it came, and what is kept is newer."""
    return origin.stale and origin.fetched_at < hit.origin.fetched_at


def _moves(key: str, now: datetime) -> bool:
    return isinstance(key, Symbol) and moving(key, now)
