"""How many entries of each rule the first tier keeps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from argus_core.caching.level import Level
from argus_core.caching.rules import RULE_OF, Rules


class Bounds:
    """The texts of each rule in one tier, the oldest written first."""

    def __init__(self, level: Level | None, rules: Rules) -> None:
        self._level = level
        self._rules = rules
        self._kept: dict[str, OrderedDict[str, None]] = {}

    async def keep(self, dataset: str, texts: Iterable[str]) -> None:
        """Note what was written, and remove what is then too much of its rule."""
        name = RULE_OF[dataset]
        kept = self._kept.setdefault(name, OrderedDict())
        for text in texts:
            kept[text] = None
            kept.move_to_end(text)
        over = [kept.popitem(last=False)[0] for _ in range(len(kept) - self._rules[name].max_size)]
        if over and (level := self._level) is not None:
            await level.tried(lambda: level.cache.delete_many(over))

    def forget(self, prefixes: Sequence[str]) -> None:
        """What stands under these prefixes is gone."""
        for kept in self._kept.values():
            for text in [text for text in kept if text.startswith(tuple(prefixes))]:
                del kept[text]
