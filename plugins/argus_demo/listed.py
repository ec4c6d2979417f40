"""What the simulated exchange knows of an instrument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from argus_core import Instrument, Kind, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One instrument and how it behaves.

    ``price`` is the level around which it moves and ``volume`` a usual day's trading, in shares,
    units, 张 or contracts. ``value`` is what one of them costs per point of price, in yuan.
    ``volatility`` is the deviation of a day's logarithmic return. ``band`` is the price limit in
    percent, ``None`` where there is none. Instruments with the same ``motion`` move together.
    """

    symbol: Symbol
    name: str
    kind: Kind
    motion: str
    price: float
    volume: float
    list_date: date
    tick: float
    lot: int
    volatility: float
    band: int | None
    delist_date: date | None = None
    market: str | None = None
    industry: str | None = None
    shares: float | None = None
    value: float = 1.0
    underlying: str | None = None
    former_symbols: tuple[Symbol, ...] = ()

    def alive(self, day: date) -> bool:
        """True from the listing date to the last trading date."""
        return self.list_date <= day and (self.delist_date is None or day <= self.delist_date)

    def price_of(self, ticks: int) -> float:
        """A price in yuan (points for an index), rid of binary noise."""
        return round(ticks * self.tick, 4)

    def volume_of(self, lots: int) -> float:
        """A volume in shares, units, 张 or contracts."""
        return float(lots * self.lot)

    def turnover_of(self, value: int) -> float:
        """A turnover in yuan, from a sum of ticks times lots."""
        return round(value * self.tick * self.lot * self.value, 4)

    def record(self) -> Instrument:
        """The instrument as consumers see it."""
        return Instrument(
            symbol=self.symbol,
            name=self.name,
            kind=self.kind,
            industry=self.industry,
            market=self.market,
            list_date=self.list_date,
            delist_date=self.delist_date,
            total_shares=self.shares,
            float_shares=self.shares,
            price_tick=self.tick,
            lot_size=float(self.lot),
            multiplier=self.value if self.kind is Kind.FUTURE else None,
            underlying=self.underlying,
            former_symbols=self.former_symbols,
        )
