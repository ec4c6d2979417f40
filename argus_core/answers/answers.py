"""Answers to queries over one dataset: from the tiers, else from one flight that all share."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from argus_core.answers.claims import Claims, Joint
from argus_core.answers.draft import (
    Draft,
    Landing,
    cache_trace,
    found_of,
    origin_of,
    ready,
)
from argus_core.answers.errand import Errand, Only
from argus_core.answers.kept import (
    MOVING,
    capped,
    given_by,
    looked_up,
    looked_up_anew,
    older,
    within,
)
from argus_core.answers.shelf import Shelf
from argus_core.caching.flights import Flights
from argus_core.caching.memo import Hit
from argus_core.caching.tiers import Looked, Tiers
from argus_core.clock import Clock
from argus_core.errors import AllSourcesFailed, DeadlineExceeded
from argus_core.model.answer import UNHEARD, Answer, Found, Provenance
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import Query
from argus_core.model.request import asking
from argus_core.routing.router import Router

MARGIN = 0.05
"""Seconds by which a flight ends before its leader's deadline, to hand over what it has."""
REFRESH_SECONDS = 10.0
"""Seconds that fetching something behind an answer's back may take."""
MOST_REFRESHES = 64
"""Flights behind answers' backs at once; beyond, values live out their life."""
OFFLINE = "offline"
"""The reason that every answer of an offline gateway gives."""


class Answers:
    """Answers any query over one dataset. Keys that no source has are left out of the answer."""

    def __init__(
        self,
        router: Router,
        tiers: Tiers,
        clock: Clock,
        *,
        random: Random | None = None,
        offline: bool = False,
    ) -> None:
        self._router = router
        self._tiers = tiers
        self._clock = clock
        self._random = random or Random()
        self._offline = offline
        self._flights: Flights[str, Landing] = Flights()
        self._refreshes: set[asyncio.Task[Landing]] = set()
        self._lender = tiers.lender

    async def fetch(
        self, query: Query, ask: Ask, *, only: Only = None, shelf: Shelf | None = None
    ) -> Answer[Any]:
        """The answer, from the caches where they are fresh.

        ``only`` these sources may answer; a ``shelf`` takes the place of the tiers. Raises what
        the router raises if not a single key could be answered.
        """
        anew = ask.anew and query.dataset in MOVING and not self._offline
        looked, spare = Looked(), dict[str, Hit]()
        if ask.use_cache and shelf is None:
            if anew:
                looked, spare = await looked_up_anew(self._tiers, query, ask, only, self._clock)
            else:
                looked = await looked_up(self._tiers, query, ask, only)
            if not self._offline and (answer := ready(query, looked.fresh, self._clock.now())):
                return answer
        draft = Draft(query)
        stale = self._from_tiers(draft, looked, ask, only) | spare
        missing = draft.missing
        if missing and self._offline:
            _refuse(draft, missing, ask)
        elif missing:
            since = None if ask.use_cache and not anew else self._clock.now()
            errand = Errand(ask.deadline, only, shelf, since)
            kept = tuple(draft.data)
            with asking(ask):
                await self._all_from_flights(draft, missing, errand)
                outlived = self._outlived(draft, kept, ask) if kept else []
                if outlived:
                    await self._all_from_flights(draft, outlived, errand)
        if stale:
            self._fall_back(draft, stale, ask)
        return draft.finished()

    @property
    def flights(self) -> int:
        """How many fetches are under way."""
        return len(self._flights)

    async def store(self, query: Query, found: Mapping[str, Found]) -> None:
        """Put values into the tiers that came by another way than :meth:`fetch`."""
        await self._tiers.put(query, found, at_once=self._lender)

    async def aclose(self) -> None:
        """Cancel the flights that are under way."""
        await self._flights.aclose()

    # -- from the tiers -----------------------------------------------------------------------

    def _from_tiers(self, draft: Draft, looked: Looked, ask: Ask, only: Only) -> dict[str, Hit]:
        """Use what is fresh, and what may be served while it is fetched anew; the stale rest."""
        query = draft.query
        rule = self._tiers.rules.of(query.dataset)
        offline = OFFLINE if self._offline else None
        again: list[str] = []
        now = self._clock.now()
        data, provenance = draft.data, draft.provenance
        for key, hit in looked.fresh.items():
            if hit.value is None:
                draft.take(key, hit)
                continue
            data[key] = hit.value
            provenance[key] = hit.origin if offline is None else replace(hit.origin, reason=offline)
            if now >= hit.early_from and rule.early_refresh and self._chosen(hit, now):
                again.append(key)
        spare: dict[str, Hit] = {}
        cap = math.inf if self._offline else rule.stale_while_revalidate
        for key, hit in looked.stale.items():
            if hit.entry.absent:
                continue
            if within(hit, now, capped(cap, ask)):
                draft.take(key, hit, offline or "it is being fetched anew")
                self._tiers.counters.stale += 1
                again.append(key)
            else:
                spare[key] = hit
        if draft.data or draft.absent:
            draft.traces.append(cache_trace(draft))
        if again and not self._offline:
            self._refresh(query.only(tuple(again)), only)
        return spare

    def _chosen(self, hit: Hit, now: datetime) -> bool:
        """Whether to fetch a value before its life ends: likelier the nearer that is (XFetch).

        So a value that many ask for hardly ever expires, and one of them pays for all.
        """
        if not hit.entry.early:
            return False
        ahead = -hit.entry.cost * math.log(1.0 - self._random.random())
        return now + timedelta(seconds=ahead) >= hit.fresh_until

    def _refresh(self, query: Query, only: Only) -> None:
        """Fetch behind the answer's back, unless it is being fetched already."""
        if len(self._refreshes) >= MOST_REFRESHES:
            return
        deadline = Deadline.within(REFRESH_SECONDS, self._clock)
        errand = Errand(deadline, only, None, self._clock.now())
        by_text = errand.texts(query)
        work = self._work(query, by_text, errand)
        flights = self._flights.begin(tuple(by_text), work, deadline.remaining)
        for task in set(flights.values()):
            self._refreshes.add(task)
            task.add_done_callback(self._refreshes.discard)

    def _fall_back(self, draft: Draft, stale: Mapping[str, Hit], ask: Ask) -> None:
        """Serve what the caches held where no source could be heard, flagged; the old is capped.

        Also where a source passed on what is older still.
        """
        now = self._clock.now()
        cap = capped(self._tiers.rules.of(draft.query.dataset).stale_if_error, ask)
        for key, hit in stale.items():
            unheard = key in draft.errors or key in draft.unsure
            if key in draft.data and not older(draft.provenance[key], hit):
                continue
            if key not in draft.data and not unheard:
                continue
            if now >= hit.fresh_until and not within(hit, now, cap):
                continue
            failure = draft.errors.get(key)
            if failure is not None and failure.code in _FINAL:
                continue
            why = failure.code if failure else AllSourcesFailed.code
            draft.take(key, hit, f"{UNHEARD}: {why}")
            draft.errors.pop(key, None)
            draft.absent.pop(key, None)
            draft.unsure.discard(key)
            self._tiers.counters.stale += 1

    def _outlived(self, draft: Draft, kept: Sequence[str], ask: Ask) -> list[str]:
        """Flag the cached values whose life ended while others were fetched.

        Those that the asker does not want then leave the draft: they are to be fetched too.
        """
        now = self._clock.now()
        again: list[str] = []
        for key in kept:
            origin = draft.provenance[key]
            if origin.stale or now < origin.fresh_until:
                continue
            over = (now - origin.fresh_until).total_seconds()
            if ask.max_staleness is not None and over >= ask.max_staleness:
                del draft.data[key], draft.provenance[key]
                again.append(key)
            else:
                reason = "its life ended while others were fetched"
                draft.provenance[key] = replace(origin, stale=True, reason=reason)
                self._tiers.counters.stale += 1
        return again

    # -- from the sources ---------------------------------------------------------------------

    async def _all_from_flights(self, draft: Draft, missing: Sequence[str], errand: Errand) -> None:
        while missing:
            missing = await self._from_flights(draft, missing, errand)

    async def _from_flights(
        self, draft: Draft, missing: Sequence[str], errand: Errand
    ) -> list[str]:
        """Join or start the flights of the missing keys; the keys to try once more."""
        query, deadline = draft.query.only(tuple(missing)), errand.deadline
        by_text = errand.texts(query)
        work = self._work(query, by_text, errand)
        landed = await self._flights.share(tuple(by_text), work, deadline.remaining)
        again: list[str] = []
        for task in dict.fromkeys(landed.values()):
            keys = [by_text[text] for text, other in landed.items() if other is task]
            error = _error_of(task)
            # A flight that ran out of time was led by a hastier asker if there is time left here.
            hasty = deadline.remaining > 2 * MARGIN
            if error is None:
                landing = task.result()
                # Nor does what somebody found in a tier do for who goes past it; once is enough.
                old = {k for k in keys if k not in draft.renewed and errand.old(landing, k)}
                wanting = [k for k in keys if hasty and (k in old or _late(landing, k))]
                draft.book(landing, [key for key in keys if key not in wanting])
                draft.renewed |= old
                again.extend(wanting)
            elif isinstance(error, DeadlineExceeded) and hasty:
                again.extend(keys)
            else:
                draft.blame(error, keys)
        lost = [key for text, key in by_text.items() if text not in landed]
        if lost:
            late_error = DeadlineExceeded("the deadline passed before a source answered")
            draft.blame(late_error, lost)
        return again

    def _work(
        self, query: Query, by_text: Mapping[str, str], errand: Errand
    ) -> Callable[[tuple[str, ...]], Coroutine[Any, Any, Landing]]:
        """What a flight does for those texts that nobody fetches yet."""

        async def work(texts: tuple[str, ...]) -> Landing:
            part = query.only(tuple(by_text[text] for text in texts))
            # A little sooner than its waiters, so that what a slow route has found still counts.
            sooner = errand.deadline.sooner(MARGIN)
            began = self._clock.now()
            return replace(await self._fly(part, replace(errand, deadline=sooner)), began=began)

        return work

    async def _fly(self, query: Query, errand: Errand) -> Landing:
        """One flight: fetched here, or by whichever process holds the lease."""
        shelf = errand.shelf
        lent = shelf is not None or self._tiers.reaches(query, self._lender)
        lender = self._lender if lent else None

        async def fetch(part: Query) -> Landing:
            return await self._fetched(part, errand, lender)

        if lender is None:
            return await fetch(query)

        async def look(part: Query) -> dict[str, tuple[Found, Provenance]]:
            if shelf is not None:
                kept = await shelf.look(part)
                seen = {key: (item, origin_of(item)) for key, item in kept.items()}
            else:
                hits = await self._tiers.look_below(part, lender)
                usable = given_by(errand.only, Looked(fresh=hits)).fresh
                seen = {key: (found_of(hit), hit.origin) for key, hit in usable.items()}
            return {key: each for key, each in seen.items() if errand.new(each[0].fetched_at)}

        texts = {
            key: self._lease(query, key, text, errand) for text, key in errand.texts(query).items()
        }
        return await Claims(lender).fetched(
            Joint(query=query, texts=texts, deadline=errand.deadline, fetch=fetch, look=look)
        )

    def _lease(self, query: Query, key: str, text: str, errand: Errand) -> str:
        """The text of a lease: only gateways with the same sources speak for one another."""
        names = self._tiers.witnesses(query, key, errand.only)
        return f"{text}#{','.join(names)}" if names else text

    async def _fetched(self, query: Query, errand: Errand, lender: Any) -> Landing:
        began, shelf, only = self._clock.monotonic(), errand.shelf, errand.only
        routed = await self._router.fetch(query, errand.deadline, only)
        late = errand.deadline.remaining <= MARGIN / 10
        if shelf is not None:
            await shelf.keep(query, routed.found)
            origins = {key: origin_of(item) for key, item in routed.found.items()}
            return Landing(routed, origins, late)
        sure = {key: item for key, item in routed.absent.items() if key not in routed.unsure}
        cost = self._clock.monotonic() - began
        entries = await self._tiers.put(
            query, routed.found, sure, only=only, cost=cost, at_once=lender
        )
        origins = {
            key: entries[key].provenance(None) if item.kept else origin_of(item)
            for key, item in routed.found.items()
        }
        return Landing(routed, origins, late)


_FINAL = frozenset({"INVALID_PARAMETER", "NOT_FOUND", "NOT_SUPPORTED", "PAYLOAD_TOO_LARGE"})
"""Failures that are the question's own: nothing old answers them."""


def _refuse(draft: Draft, keys: Collection[str], ask: Ask) -> None:
    why = "has nothing of it that may be served" if ask.use_cache else "has nothing but caches"
    message = f"this gateway is offline and {why}"
    draft.blame(AllSourcesFailed(message), keys)


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return AllSourcesFailed("the gateway is closing") if task.cancelled() else task.exception()


def _late(landing: Landing, key: str) -> bool:
    """True if the flight ended for lack of time before every source was heard about the key."""
    routed = landing.routed
    return landing.late and (key in routed.failures or key in routed.unsure)
