"""Taking entries out of the tiers, here and in every process that shares one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argus_core.caching.behind import Behind
from argus_core.caching.level import LONG_BUDGET, Level
from argus_core.caching.news import News
from argus_core.caching.rules import RULE_OF


@dataclass(frozen=True, slots=True)
class Cleared:
    """What went from one level; ``error`` says why it could not be asked."""

    label: str
    entries: int
    bytes: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Clearance:
    """What went, level by level; ``untold`` why other processes do not know of it yet, by level.

    They are told as soon as that level answers again.
    """

    levels: Sequence[Cleared]
    untold: Mapping[str, str]


class Clearing:
    """Clears tiers, tells other processes, and does the same when they tell.

    ``behind`` is what waits to be written, by level; ``forget`` is told the prefixes of what went
    from the first tier.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        behind: Mapping[str, Behind],
        forget: Callable[[Sequence[str]], None],
    ) -> None:
        self._levels = levels
        self._behind = behind
        self._forget = forget
        self._news = News(levels, self._cleared_elsewhere, self._missed_news)
        self._chores: set[asyncio.Task[Any]] = set()
        self.listeners: list[Callable[[Sequence[str]], None]] = []
        """Told of the prefixes of what was cleared elsewhere, once it is gone from here too."""

    def start(self) -> None:
        """Begin to hear what other processes clear."""
        self._news.start()

    async def aclose(self) -> None:
        """Stop listening, and finish what was begun."""
        await self._news.aclose()
        await asyncio.gather(*self._chores, return_exceptions=True)

    async def clear(self, rule: str | None, label: str | None) -> Clearance:
        """What went, level by level: of one rule or all, of one level or all."""
        prefixes = [f"{name}:" for name, of in RULE_OF.items() if rule in (None, of)]
        # The deepest first: until it is empty, whoever reads fills the others from it again.
        gone = [
            await self._clear(level, prefixes, resting=True)
            for level in reversed(self._levels)
            if label in (None, level.label)
        ]
        return Clearance(gone[::-1], await self._news.tell(prefixes, label))

    async def forget(self, prefixes: Sequence[str]) -> None:
        """Remove what stands under these prefixes here, and tell nobody."""
        for level in reversed(self._levels):
            await self._clear(level, prefixes)

    async def purge(self) -> list[Cleared]:
        """What had expired and went, level by level."""
        return [await _removed(level, level.cache.purge) for level in self._levels]

    async def _clear(
        self, level: Level, prefixes: Sequence[str], *, resting: bool = False
    ) -> Cleared:
        behind = self._behind.get(level.label)
        if behind is not None:
            await behind.forget(prefixes)
        if level is self._levels[0]:
            self._forget(prefixes)

        async def all_of_them() -> tuple[int, int]:
            gone = [await level.cache.delete_prefix(prefix) for prefix in prefixes]
            return sum(entries for entries, _ in gone), sum(size for _, size in gone)

        return await _removed(level, all_of_them, resting=resting)

    def _cleared_elsewhere(self, prefixes: Sequence[str], label: str | None) -> None:
        self._follow(
            [n for n in self._levels if label in (None, n.label) and not n.cache.speaks()], prefixes
        )

    def _missed_news(self) -> None:
        """Forget what this process alone keeps: what others cleared meanwhile is not known."""
        own = [n for n in self._levels if not n.cache.speaks() and not n.cache.persistent]
        self._follow(own, [f"{name}:" for name in RULE_OF])

    def _follow(self, levels: Sequence[Level], prefixes: Sequence[str]) -> None:
        task = asyncio.get_running_loop().create_task(self._followed(levels, prefixes))
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _followed(self, levels: Sequence[Level], prefixes: Sequence[str]) -> None:
        """Clear the levels, and only then tell those who fill themselves from here."""
        await asyncio.gather(*(self._clear(level, prefixes) for level in levels))
        for listener in self.listeners:
            listener(prefixes)


async def _removed(
    level: Level, remove: Callable[[], Awaitable[tuple[int, int]]], *, resting: bool = False
) -> Cleared:
    gone = await level.tried(remove, LONG_BUDGET, resting=resting)
    if gone is not None:
        return Cleared(level.label, *gone)
    return Cleared(level.label, 0, 0, level.reason or "it failed")
