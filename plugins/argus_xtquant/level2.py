"""Books of ten levels from level 2, for accounts that may read it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date
from typing import Any

from argus_core import Depth, NotOffered, PermissionDenied, Symbol, Throttled
from argus_xtquant.session import Session
from argus_xtquant.snapshots import read_book
from argus_xtquant.surface import Tick
from argus_xtquant.symbols import Spelt, spelled

logger = logging.getLogger(__name__)

_PERIOD = "l2quote"
_REFUSED = (PermissionDenied, NotOffered, Throttled)


class Level2:
    """The level-2 books of one source.

    The client keeps level 2 of today only, and only of what was subscribed, so the first question
    about a symbol subscribes it and may still find nothing; the ordinary book answers then.
    """

    def __init__(self, session: Session, most: int) -> None:
        self._session = session
        self._most = most
        self._subscribed: set[str] = set()
        self._generation = 0
        self.refused: str | None = None
        """Why level 2 is not used, if the client refuses it."""

    def read(self, symbols: Iterable[Symbol], today: date) -> dict[Symbol, Depth]:
        """The level-2 books that are at hand; none after a refusal, until the next connection."""
        if self._generation != self._session.generation:
            self._generation = self._session.generation
            self._subscribed.clear()
            self.refused = None
        found: dict[Symbol, Depth] = {}
        for spelt in spelled(symbols, today, today):
            if self.refused is None and not spelt.symbol.exchange.trades_futures:
                tick = self._tick(spelt)
                if tick is not None:
                    found[spelt.symbol] = read_book(spelt.symbol, tick)
        return found

    def _tick(self, spelt: Spelt) -> Tick | None:
        try:
            self._subscribe(spelt.code)
            told = self._session.call("level 2", lambda x: _newest(x, spelt.code))
        except _REFUSED as refused:
            self.refused = refused.message
            logger.warning(
                "%s: level 2 is not used, books have five levels: %s",
                self._session.name,
                refused.message,
            )
            return None
        return told

    def _subscribe(self, code: str) -> None:
        if code in self._subscribed or len(self._subscribed) >= self._most:
            return
        number = self._session.call(
            "level 2",
            lambda x: x.subscribe_quote(code, period=_PERIOD, count=0, callback=None),
        )
        if isinstance(number, int) and number > 0:
            self._subscribed.add(code)


def _newest(xtdata: Any, code: str) -> Tick | None:
    """The newest level-2 snapshot. An answer without the code is a ``KeyError`` inside."""
    try:
        rows = xtdata.get_l2_quote([], code, "", "", 1)
    except KeyError:
        return None
    if rows is None or len(rows) == 0:
        return None
    newest = rows[-1]
    return {name: newest[name] for name in rows.dtype.names}
