"""What one source pushes, made canonical, as its answers are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from argus_core.errors import BadData
from argus_core.extend.relay import RelayedPush
from argus_core.extend.source import Source
from argus_core.extend.units import Units
from argus_core.market.kinds import kind_of
from argus_core.market.normalise import normalise
from argus_core.market.quotes import normalise_depth, normalise_quote
from argus_core.market.records import read_depth, read_quote
from argus_core.market.units import rule_for
from argus_core.model.query import DepthQuery
from argus_core.model.records import Depth, Quote
from argus_core.model.symbol import Symbol
from argus_core.streaming.topics import Carrier

LEVELS = 10
"""Levels a side that are passed on, where the vendor pushes as many."""
_TOLD = Units()
_UNFIT = (TypeError, AttributeError, KeyError, ValueError, OverflowError)


@dataclass(slots=True)
class PushReader:
    """Reads the pushes of one source."""

    source: Source
    _rules: dict[Symbol, Units] = field(default_factory=dict[Symbol, Units])
    _units: tuple[Units, ...] = ()
    _carrier: Carrier | None = None
    """Who brings what the source pushes of its own; mostly the same for all of it."""

    def read(
        self, item: Depth | RelayedPush, now: datetime, *, book: bool = True
    ) -> Depth | Quote | str | None:
        """The book in canonical units, a sentence why it cannot be true, or None if it is empty.

        A quote where another gateway passed on no more than that, or where it came without trades
        and nobody wants the ``book``, which is most of the work; it proves something all the same
        if it looks crossed.
        """
        try:
            return self._read(item, now, book=book)
        except BadData as error:
            return error.message
        except _UNFIT as error:
            return f"{self.source.name} pushed what cannot be read: {type(error).__name__}"

    def carrier_of(self, item: Depth | RelayedPush) -> tuple[Carrier, bool]:
        """Who brings a pushed book, and whether it was old already when it was passed on."""
        source = self.source
        if not isinstance(item, RelayedPush):
            replay, known = source.replaying, self._carrier
            if known is None or known.replay is not replay or known.simulated != source.simulated:
                known = Carrier(source.name, "push", (), source.simulated, replay)
                self._carrier = known
            return known, False
        origin = item.origin
        carrier = Carrier(
            source=origin.path[-1] if origin.path else source.name,
            mode=item.mode,
            via=(source.name, *origin.path[:-1]) if origin.path else (),
            simulated=origin.simulated,
            replay=origin.replay,
        )
        return carrier, origin.stale

    def forget(self, symbol: Symbol) -> None:
        """Keep nothing about a symbol that is pushed no more."""
        self._rules.pop(symbol, None)

    def _read(
        self, item: Depth | RelayedPush, now: datetime, *, book: bool
    ) -> Depth | Quote | str | None:
        value, known = (item.value, _TOLD) if isinstance(item, RelayedPush) else (item, None)
        if isinstance(value, Quote):
            return self._quote(value, _TOLD)
        if not book and value.trades is None and _in_order(value):
            rule = known or self._rule(value.symbol)
            found = None if rule.volume is None else self._quote(value.quote, rule)
            if found is not None:  # else its book may say something all the same
                return found
        depth = read_depth(value, f"{self.source.name} pushed a book")
        rule = known or self._rule(depth.symbol)
        if rule.volume is None:  # nobody states the unit: what it is follows from the prices
            return self._inferred(depth, now)
        return normalise_depth(depth, rule, levels=LEVELS, now=now, timezone=self.source.timezone)

    def _quote(self, quote: Quote, rule: Units) -> Quote | str | None:
        read = read_quote(quote, f"{self.source.name} pushed a quote")
        return normalise_quote(read, rule, timezone=self.source.timezone)

    def _rule(self, symbol: Symbol) -> Units:
        if self._units is not self.source.units:  # a new worker may state others
            self._units = self.source.units
            self._rules.clear()
        rule = self._rules.get(symbol)
        if rule is None:
            rule = rule_for(self.source.units, "depth", symbol, kind_of(symbol), None)
            self._rules[symbol] = rule
        return rule

    def _inferred(self, depth: Depth, now: datetime) -> Depth | str | None:
        query = DepthQuery(symbols=(depth.symbol,), levels=LEVELS)
        reading = normalise(query, [depth], self.source, now)
        return reading.faults.get(depth.symbol) or reading.values.get(depth.symbol)


def _in_order(depth: Depth) -> bool:
    """True if nothing speaks against a book at first sight: its best bid is below its best ask."""
    bids, asks = depth.bids, depth.asks
    if type(depth.quote) is not Quote or type(bids) is not tuple or type(asks) is not tuple:
        return False
    if not bids or not asks:
        return True
    bid, ask = bids[0].price, asks[0].price
    return type(bid) is float and type(ask) is float and bid < ask


def instant_of(item: Depth | RelayedPush, at: datetime) -> datetime:
    """When something pushed came to whoever had it first; ``at`` is when it came here."""
    if not isinstance(item, RelayedPush):
        return at
    return at - timedelta(seconds=item.origin.age)


def symbol_of(item: Any) -> Symbol | None:
    """The symbol of something pushed; None if it is nothing that a source may push."""
    if not isinstance(item, Depth | RelayedPush):
        return None
    try:
        symbol = item.symbol
        hash(symbol)
    except (AttributeError, TypeError):
        return None
    return symbol
