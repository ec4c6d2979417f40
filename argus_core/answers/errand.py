"""On what terms flights are sent for the keys that no cache holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from argus_core.answers.draft import Landing
from argus_core.answers.shelf import Shelf
from argus_core.caching.tiers import keys_of
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.model.request import current_request

Only = frozenset[str] | None
"""The names of the sources that may answer; ``None`` for all of the route."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Until when, from whom, whereto, and how new the catch must be."""

    deadline: Deadline
    only: Only = None
    shelf: Shelf | None = None
    since: datetime | None = None
    """Nothing fetched earlier will do: the asker goes past the caches, or wants it renewed."""

    def texts(self, query: Query) -> dict[str, str]:
        """The query's keys by the texts under which flights and leases know them.

        Who may be asked, and where the catch goes, is part of what a flight is; so is through
        which gateways the question came, or two of them would each join what the other waits for.
        """
        texts = keys_of(query)
        via = current_request().via
        if self.only is None and self.shelf is None and not via:
            return texts
        names = ",".join(sorted(self.only or ()))
        place = "|archive" if self.shelf is not None else ""
        mark = "".join((f"@{names}", place, *(f"<{gateway}" for gateway in via)))
        return {text + mark: key for text, key in texts.items()}

    def new(self, fetched_at: datetime) -> bool:
        """True if what was fetched then will do."""
        return self.since is None or fetched_at >= self.since

    def old(self, landing: Landing, key: str) -> bool:
        """True if a flight that others had sent brought no more than what had been kept of it."""
        found = landing.routed.found.get(key) or landing.routed.absent.get(key)
        if found is None or self.since is None or self.new(found.fetched_at):
            return False
        # What another gateway had kept is as new as this question could have it.
        return landing.began is None or landing.began <= self.since
