"""The vendor's snapshots, pulled or pushed, as books and quotes in the vendor's units."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

from argus_core import (
    BadData,
    Depth,
    Kind,
    Level,
    NotOffered,
    Quote,
    SourceError,
    Symbol,
    kind_of,
)
from argus_xtquant.cells import count, counts, instant, price, prices, timetag
from argus_xtquant.instruments import detail_of
from argus_xtquant.refusals import UnknownCode
from argus_xtquant.session import Session
from argus_xtquant.surface import Tick
from argus_xtquant.symbols import spelled

logger = logging.getLogger(__name__)


class Snapshots:
    """The newest books that the client of one source knows.

    Some clients answer about subscribed codes only. So a code that is absent from an answer, and
    is a real one, is subscribed and asked about once more; then it has no data.
    """

    def __init__(self, session: Session, most: int) -> None:
        self._session = session
        self._most = most
        self._lock = threading.Lock()
        self._woken: set[str] = set()
        self._generation = 0

    def books(self, symbols: Iterable[Symbol], today: date) -> list[Depth]:
        """The book of each symbol that the client knows one of."""
        asked = spelled(symbols, today, today)
        if not asked:
            return []
        codes = sorted({spelt.code for spelt in asked})
        ticks = _ticks(self._session, codes)
        if absent := [code for code in codes if code not in ticks]:
            with self._lock:
                woken = self._wake(absent)
            ticks |= _ticks(self._session, woken) if woken else {}
        return [read_book(one.symbol, ticks[one.code]) for one in asked if one.code in ticks]

    def _wake(self, absent: Sequence[str]) -> list[str]:
        """Those of ``absent`` that are subscribed now and were not before over this link."""
        if self._generation != self._session.generation:
            self._generation = self._session.generation
            self._woken.clear()
        strange = [code for code in absent if code not in self._woken]
        room = self._most - len(self._woken)
        real = [code for code in strange if self._is_real(code)][: max(room, 0)]
        if not real:
            return []
        self._woken.update(real)
        try:
            self._session.call(
                "a subscription", lambda x: x.subscribe_whole_quote(real, _pass_over)
            )
        except (SourceError, NotOffered) as error:
            logger.info("%s: %s are not woken: %s", self._session.name, real, error.message)
            return []
        return real

    def _is_real(self, code: str) -> bool:
        try:
            return detail_of(self._session, code) is not None
        except (SourceError, NotOffered):  # nothing is known of it
            return False


def _ticks(session: Session, codes: Sequence[str]) -> dict[str, Tick]:
    """The snapshots that are there, by code."""
    try:
        told: Any = session.call("quotes", lambda x: x.get_full_tick(codes))
    except UnknownCode:
        # One wrong code fails the whole call; the others are asked alone
        parts = (_ticks(session, [code]) for code in (codes if len(codes) > 1 else ()))
        return {code: tick for part in parts for code, tick in part.items()}
    if not isinstance(told, Mapping):
        # The vendor's wrappers turn some errors into None, which is not "no data"
        raise BadData(f"the client answered the quotes with {type(told).__name__}")
    given = cast("Mapping[str, Any]", told)
    return {code: given[code] for code in codes if _is_tick(given.get(code))}


def _is_tick(told: object) -> bool:
    return isinstance(told, Mapping) and bool(told)  # pyright: ignore[reportUnknownArgumentType]


def _pass_over(_: Any) -> None:
    """Takes the pushes of what is subscribed only to be answered about."""


def read_book(symbol: Symbol, tick: Tick) -> Depth:
    """A snapshot, whole or partial, of an old client or a new one, as a book."""
    return Depth(
        quote=read_quote(symbol, tick),
        bids=_side(tick, "bid"),
        asks=_side(tick, "ask"),
    )


def read_quote(symbol: Symbol, tick: Tick) -> Quote:
    """A snapshot as a quote.

    ``openInt`` of a share is its trading status and ``stockStatus`` another scale of the same; a
    quote has room for neither.
    """
    traded = has_traded(symbol, tick)
    return Quote(
        symbol=symbol,
        as_of=as_of(tick),
        # In the opening auction the last price is what a match would cost, and nobody paid it:
        # until something is traded there is a previous close and nothing else
        price=price(tick.get("lastPrice")) if traded else None,
        open=price(tick.get("open")) if traded else None,
        high=price(tick.get("high")) if traded else None,
        low=price(tick.get("low")) if traded else None,
        prev_close=price(tick.get("lastClose")),
        volume=count(tick.get("volume")),
        turnover=count(tick.get("amount")),
    )


def has_traded(symbol: Symbol, tick: Tick) -> bool:
    """True once the day has a first trade; an index is reckoned, so it only needs an open."""
    volume = count(tick.get("volume"))
    if volume is None or kind_of(symbol) is Kind.INDEX:
        return bool(volume) or price(tick.get("open")) is not None
    return volume > 0


def as_of(tick: Tick) -> datetime | None:
    """When a snapshot was taken: ``time`` of newer clients, ``timetag`` of older ones."""
    return instant(tick.get("time")) or timetag(tick.get("timetag"))


def _side(tick: Tick, side: str) -> tuple[Level, ...]:
    """The levels of one side; the vendor fills those that the account may not see with zeros.

    A level with a price and no volume is one of less than half a lot.
    """
    pairs = zip(prices(tick.get(f"{side}Price")), counts(tick.get(f"{side}Vol")), strict=False)
    return tuple(Level(at, volume) for at, volume in pairs if at and volume is not None)
