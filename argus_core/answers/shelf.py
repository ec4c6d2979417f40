"""Where a flight's catch is kept: the tiers, or what somebody puts in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from argus_core.model.answer import Found
from argus_core.model.query import Query


class Shelf(Protocol):
    """Stands in for the tiers where values of a query are kept elsewhere."""

    async def look(self, query: Query) -> Mapping[str, Found]:
        """What another process has kept there of the query's keys, and this one may use."""
        ...

    async def keep(self, query: Query, found: Mapping[str, Found]) -> None:
        """Keep what a flight brought; called once a flight, before anybody sees the values."""
        ...
