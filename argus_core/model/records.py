"""The small answers: frozen records in canonical units.

Prices in yuan as traded, volume in shares (contracts for futures, units for funds, 张 for bonds),
turnover in yuan, instants aware in ``Asia/Shanghai``. What a source does not have is ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from argus_core.model.symbol import Kind, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The latest state of one instrument.

    A source fills what its vendor gives; the core computes ``change`` and ``change_pct``
    (percent against ``prev_close``) where they are absent.
    """

    symbol: Symbol
    as_of: datetime | None = None
    name: str | None = None
    price: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    prev_close: float | None = None
    volume: float | None = None
    turnover: float | None = None
    change: float | None = None
    change_pct: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """One level of an order book."""

    price: float
    volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade; ``direction`` is the aggressor's side, ``"buy"`` or ``"sell"``, if known."""

    price: float
    volume: float
    time: datetime
    direction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """A quote with its order book, best level first, and recent trades, newest last."""

    quote: Quote
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    trades: tuple[Trade, ...] | None = None

    @property
    def symbol(self) -> Symbol:
        """The instrument that the book belongs to."""
        return self.quote.symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something may be missing from a stream of these symbols, because of ``reason``.

    ``since`` is the last instant up to which nothing is missing, if that is known.
    """

    symbols: tuple[Symbol, ...]
    reason: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What an instrument is. Shares are counted in shares, values in yuan, ratios as given."""

    symbol: Symbol
    name: str | None = None
    kind: Kind = Kind.UNKNOWN
    full_name: str | None = None
    industry: str | None = None
    sector: str | None = None
    market: str | None = None
    list_date: date | None = None
    delist_date: date | None = None
    total_shares: float | None = None
    float_shares: float | None = None
    market_cap: float | None = None
    pe_ratio: float | None = None
    pb_ratio: float | None = None
    dividend_yield: float | None = None
    price_tick: float | None = None
    lot_size: float | None = None
    multiplier: float | None = None
    underlying: str | None = None
    former_symbols: tuple[Symbol, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDays:
    """The trading dates of one exchange within the asked range, ascending.

    ``known_through`` is the last calendar date about which the source knows anything; beyond it
    nothing is claimed.
    """

    dates: tuple[date, ...]
    known_through: date
