"""Series that were finished before, of the very same frames: a hot range is made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import date

import polars as pl

MOST_ROWS = 100_000
"""Rows of finished series that are kept, some ten megabytes."""
LONGEST = 5_000
"""Rows from which making one costs less than sending it: it is not kept."""

Made = tuple[pl.DataFrame, date | None]
"""A finished series, and the date whose price is left as traded."""


class Finished:
    """What was made of frames, by the frames themselves: others, or copies, are made anew.

    A tier in this process hands out the very object that it was given, so only what such a tier
    holds is ever found here.
    """

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self._rows = 0
        self._known: OrderedDict[Hashable, tuple[tuple[object, ...], Made]] = OrderedDict()

    def of(
        self, frames: tuple[pl.DataFrame | None, ...], terms: Hashable, make: Callable[[], Made]
    ) -> Made:
        """What ``make`` makes of the frames under these terms, which say all else it depends on."""
        key = (*map(id, frames), terms)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known[1]
        made = make()
        rows = made[0].height
        if rows <= LONGEST:
            # The frames are kept too: as long as they live, no other has their identity.
            self._known[key] = frames, made
            self._rows += 1 + rows
            while self._rows > self._most:
                _, (_, (oldest, _)) = self._known.popitem(last=False)
                self._rows -= 1 + oldest.height
        return made
