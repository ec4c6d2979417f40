"""What changes behind another gateway: its own listeners are told there, ours are told here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from argus_core.clock import Clock
from argus_core.model.symbol import Symbol
from argus_core.streaming.lines import Line
from argus_core.streaming.topics import Carrier, Notice

log = logging.getLogger(__name__)


class Behind:
    """Tells who brings symbols there, or that nobody does any more, as their values say it.

    A value with such news waits to the end of the loop's turn, so that what changed for many is
    told of all of them at once, and still before the values.
    """

    def __init__(
        self, lines: Mapping[Symbol, Line], tell: Callable[[Notice], None], clock: Clock
    ) -> None:
        self._lines = lines
        self._tell = tell
        self._clock = clock
        self._told: dict[tuple[tuple[str, Any], ...], list[Symbol]] = {}
        self._waiting: dict[Symbol, tuple[Line, Callable[[], object]]] = {}
        self._flushing: asyncio.Handle | None = None

    def brought(
        self, line: Line, carrier: Carrier, say: Callable[[], object], *, stale: bool
    ) -> None:
        """Have what a line brought said, after whatever is news of who brings it.

        What our own legs do is told where they change; this is about what they pass on.
        """
        told = _news(line, carrier, stale=stale)
        line.source = carrier.source
        if told is None:
            say()
            return
        line.outdated = stale
        self._told.setdefault(tuple(told.items()), []).append(line.symbol)
        self._waiting[line.symbol] = line, say
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self.flush)

    def settle(self, symbol: Symbol) -> None:
        """Have said what waits of a symbol: what comes next is held against it."""
        if symbol in self._waiting:
            self.flush()

    def flush(self) -> None:
        """Tell and say what waits: whatever is told, said or judged next must come after it."""
        if self._flushing is None:
            return
        self._flushing.cancel()
        self._flushing = None
        told, self._told = self._told, {}
        waiting, self._waiting = self._waiting, {}
        for words, symbols in told.items():
            self._tell(Notice("status", tuple(symbols), dict(words)))
        for symbol, (line, say) in waiting.items():
            if self._lines.get(symbol) is not line:  # nobody wants it any more
                continue
            try:
                say()
            except Exception:
                line.suspect = line.suspect or self._clock.monotonic()  # so that it is asked for
                log.exception("what was passed on of %s was not taken", symbol)


def _news(line: Line, carrier: Carrier, *, stale: bool) -> dict[str, Any] | None:
    """What has to be told before a line's next value, if anything."""
    if not (carrier.via or line.outdated):
        return None
    if stale and (line.outdated or line.lost):
        return None
    if stale:
        return {"state": "stale", "reason": f"{carrier.via[0]}: nobody brings it"}
    other = line.source not in (None, carrier.source)
    if not (other or line.outdated):
        return None
    previous = {"previous": line.source} if other else {}
    return {"state": "live", "source": carrier.source, **previous, "mode": carrier.mode}
