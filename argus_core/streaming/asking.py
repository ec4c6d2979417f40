"""Questions to the router about what is streamed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from argus_core.clock import Clock
from argus_core.errors import ArgusError, NotOffered
from argus_core.model.answer import Found, Provenance
from argus_core.model.ask import Deadline
from argus_core.model.query import DepthQuery, Query, QuotesQuery
from argus_core.model.request import Priority, requesting
from argus_core.model.symbol import Symbol
from argus_core.routing.verdict import Routed
from argus_core.streaming.reading import LEVELS
from argus_core.streaming.topics import Carrier

log = logging.getLogger(__name__)

ANSWERING = 3.0
"""Seconds that an answer may take."""


class Asked(Protocol):
    """The router, as far as it is needed here."""

    async def fetch(
        self, query: Query, deadline: Deadline, only: frozenset[str] | None = None
    ) -> Routed:
        """Values for as many keys as the route has."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What an answer holds that is not old; ``failed`` if whoever was asked could not answer."""

    values: dict[str, Found] = field(default_factory=dict[str, Found])
    failed: bool = False


class Asking:
    """Asks some sources of a route, past all caches."""

    def __init__(self, router: Asked, clock: Clock) -> None:
        self._router = router
        self._clock = clock

    async def quotes(self, symbols: Sequence[Symbol], only: frozenset[str]) -> Heard:
        """What these sources say of the quotes."""
        return await self._heard(QuotesQuery(symbols=tuple(symbols)), only)

    async def books(self, symbols: Sequence[Symbol], only: frozenset[str]) -> Heard:
        """What these sources say of the books."""
        return await self._heard(DepthQuery(symbols=tuple(symbols), levels=LEVELS), only)

    async def _heard(self, query: Query, only: frozenset[str]) -> Heard:
        if not query.keys or not only:
            return Heard()
        deadline = Deadline.within(ANSWERING, self._clock)
        try:
            with requesting(priority=Priority.BATCH, use_cache=False):
                routed = await self._router.fetch(query, deadline, only)
        except NotOffered:
            return Heard()
        except ArgusError as error:
            log.info("%s for the stream cannot be had now: %s", query.dataset, error.code)
            return Heard(failed=True)
        except Exception:
            log.exception("asking for the stream failed")
            return Heard(failed=True)
        good = {key: item for key, item in routed.found.items() if item.outdated is None}
        return Heard(good, failed=bool(routed.failures) and not good)


def carrier_of(item: Found | Provenance) -> Carrier:
    """Who gave a value that was asked for."""
    source = item.path[-1] if item.path else item.source
    via = (item.source, *item.path[:-1]) if item.path else ()
    return Carrier(source, "poll", via, item.simulated, item.replay)
