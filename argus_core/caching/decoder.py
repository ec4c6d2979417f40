"""What the bytes of a tier mean, and until when they may be believed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from argus_core.caching.entry import Entry
from argus_core.caching.memo import Hit, Memo
from argus_core.caching.rules import Rules
from argus_core.model.codec import CODECS
from argus_core.model.query import Query

_EARLY_COSTS = 8.0
"""A value is fetched early only within so many times what fetching it took."""
_SKEW = timedelta(seconds=1)
"""How far the clocks of machines that share a tier may lie apart."""

Believes = Callable[[Query, str, Entry], bool]
"""Whether an entry for a key of a query may be used by this gateway."""


class Decoder:
    """Decodes entries, those of hot keys once.

    Whoever shares a tier may have had other sources, other rules or another clock, and a tier on
    disk holds what was written before its owner changed his mind; all that is judged here.
    """

    def __init__(self, rules: Rules, believes: Believes) -> None:
        self._rules = rules
        self._believes = believes
        self._memo = Memo()
        self.find = self._memo.find

    def forget(self) -> None:
        """Judge and decode everything anew, because other sources may be believed now."""
        self._memo.clear()

    def decoded(self, query: Query, text: str, key: str, data: bytes, tier: str) -> Hit | None:
        """What ``data`` says of ``key``; None if it is damaged or not to be believed."""
        entry = Entry.unpack(data, text)
        if entry is None or not self._believes(query, key, entry):
            return None
        entry = self._bounded(query, entry)
        try:
            value = None if entry.absent else CODECS[query.dataset].decode(entry.payload)
        except ValueError:
            return None
        early = entry.fresh_until
        if entry.early:
            early -= timedelta(seconds=_EARLY_COSTS * entry.cost)
        since = entry.fetched_at - _SKEW
        origin = entry.provenance(tier)
        return Hit(entry, value, tier, origin, since, entry.fresh_until, early)

    def keep(self, text: str, data: bytes, hit: Hit) -> None:
        """Remember what these very bytes mean."""
        self._memo.keep(text, data, hit)

    def _bounded(self, query: Query, entry: Entry) -> Entry:
        """The entry with a life that the rules of this process allow.

        What lives by the market's clock needs no bound, that is the same for all.
        """
        if not entry.early and not entry.absent:
            return entry
        rule = self._rules.of(query.dataset)
        most = timedelta(seconds=rule.negative_ttl if entry.absent else rule.ttl)
        if entry.fresh_until - entry.fetched_at <= most:
            return entry
        return replace(entry, fresh_until=entry.fetched_at + most)
