"""Where operators ask how far the sources can be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from argus_core.clock import Clock
from argus_core.errors import CallerError
from argus_core.history.archive import Archive, Mark, RevisionPage
from argus_core.model.ask import Ask
from argus_core.model.query import HistoryQuery
from argus_core.model.symbol import Symbol
from argus_core.quality.reconcile import Reconciliation, chosen, reconcile
from argus_core.quality.report import SourceQuality, quality_of
from argus_core.renames import Renames
from argus_core.routing.node import Node
from argus_core.routing.quarantine import QuarantineStatus, status
from argus_core.telemetry.redact import Redactor


class NoSuchSource(CallerError):
    """No enabled source has this name."""

    code = "NOT_FOUND"
    status = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """A page of late corrections; ``archive`` is False where nothing is archived at all."""

    archive: bool
    page: RevisionPage


class Quality:
    """The quality desk of one gateway: proof results, quarantines, reconciliation, revisions."""

    def __init__(
        self,
        nodes: Mapping[str, Node],
        *,
        renames: Renames,
        clock: Clock,
        redactor: Redactor,
        archive: Archive | None = None,
    ) -> None:
        self._nodes = nodes
        self._renames = renames
        self._clock = clock
        self._redactor = redactor
        self._archive = archive

    def sources(self) -> tuple[SourceQuality, ...]:
        """What each enabled source proved and disproved since start-up, as it stands now."""
        return tuple(
            quality_of(node, clock=self._clock, redactor=self._redactor)
            for node in self._nodes.values()
        )

    def release(self, source: str, symbol: Symbol | None = None) -> tuple[QuarantineStatus, ...]:
        """The quarantines of a source that this ended: those of ``symbol``, or all.

        Raises :class:`NoSuchSource`.
        """
        node = self._nodes.get(source)
        if node is None:
            names = list(self._nodes)
            raise NoSuchSource(
                f"no source is called {source[:60]!r}; there are: {', '.join(names)}",
                details={"sources": names},
            )
        return tuple(status(lifted) for lifted in node.release(symbol))

    async def reconcile(
        self,
        query: HistoryQuery,
        ask: Ask,
        *,
        sources: Sequence[str] | None = None,
        tolerance: Mapping[str, float] = MappingProxyType({}),
    ) -> Reconciliation:
        """What ``sources`` (all that offer bars if None) say of the same bars, each asked alone.

        ``tolerance`` is, by field, the share of a value by which equal ones may differ. Raises
        :class:`BadParameter` for an unknown source, :class:`NotOffered` for fewer than two,
        :class:`TooLarge` for a range that history would refuse too.
        """
        nodes = chosen(self._nodes, sources)
        query = replace(query, symbols=await self._renames.current(query.symbols, ask))
        return await reconcile(
            query, nodes, ask, clock=self._clock, redactor=self._redactor, tolerance=tolerance
        )

    async def revisions(
        self,
        ask: Ask,
        *,
        symbol: Symbol | None = None,
        source: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
        after: Mark | None = None,
    ) -> Revisions:
        """What sources said differently after a day was sealed, as the archive noticed it.

        ``since`` is the aware instant from which on it was noticed, ``after`` the last of the page
        before. A renamed symbol's are found under its present code. Raises :class:`CacheError` if
        the archive cannot be read.
        """
        archive = self._archive
        if archive is None:
            return Revisions(archive=False, page=RevisionPage((), total=0))
        if symbol is not None:
            (symbol,) = await self._renames.current((symbol,), ask)
        page = await asyncio.to_thread(
            archive.revisions, symbol=symbol, source=source, since=since, limit=limit, after=after
        )
        return Revisions(archive=True, page=page)
