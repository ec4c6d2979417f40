"""Sources whose pushes are wrong in one way each."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from broken.good_source import SYMBOLS, GoodSource
from broken.twin import Twin

from argus_core import Gap


class PushesRows(GoodSource):
    def pushed(self, push, item):
        super().pushed(push, item)
        super().pushed(push, {"symbol": "600519.SH", "price": 1700.0})


class PushesShares(GoodSource):
    def pushed_book(self, symbol):
        book = super().pushed_book(symbol)
        return replace(book, quote=replace(book.quote, volume=book.quote.volume * 100))


class PushesEverything(GoodSource):
    def pushing(self):
        return [*SYMBOLS] if self._subscribed else []


class NeverUnsubscribes(GoodSource):
    async def unsubscribe(self, symbols):
        pass


class NeverStops(GoodSource):
    async def close(self):
        pass


class DiesOfAnError(GoodSource):
    def pushed(self, push, item):
        push(item)

    async def close(self):
        with contextlib.suppress(ValueError):
            await super().close()


class NoGap(GoodSource):
    def pushed(self, push, item):
        if not isinstance(item, Gap):
            super().pushed(push, item)


class Replaces(GoodSource):
    async def subscribe(self, symbols, push):
        self._subscribed = set()
        await super().subscribe(symbols, push)


class Silent(GoodSource):
    def pushed(self, push, item):
        pass


TWINS = (
    Twin("STR-01", PushesRows),
    Twin("STR-01", Silent, frozenset({f"STR-0{n}" for n in (2, 3, 6, 7, 8)})),
    Twin("STR-02", PushesShares),
    Twin("STR-03", PushesEverything),
    Twin("STR-04", NeverUnsubscribes),
    Twin("STR-05", NeverStops),
    Twin("STR-06", DiesOfAnError),
    Twin("STR-07", NoGap),
    Twin("STR-08", Replaces),
)
