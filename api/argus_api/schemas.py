"""The shapes of bodies, for OpenAPI only: answers are written as bytes, not through these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

# OpenAPI shows first lines of docstrings; they are written for users of the API.


class ErrorDetail(BaseModel):
    """What went wrong: a code of the contract, a sentence, and what else is known."""

    code: str = Field(examples=["INVALID_PARAMETER"])
    message: str
    details: Any = None


class ErrorBody(BaseModel):
    """The body of every error."""

    success: Literal[False]
    error: ErrorDetail
    timestamp: str


class SymbolError(BaseModel):
    """Why one symbol has no value."""

    code: str = Field(examples=["NOT_FOUND"])
    message: str


class Meta(BaseModel):
    """Where the data came from and how old they are."""

    source: str | None = None
    sources: dict[str, str] | None = Field(None, description="Per symbol, where several answered.")
    via: list[str] | None = Field(
        None, description="The sources that passed it on, where it came through other gateways."
    )
    as_of: str | None = None
    stale: bool
    reason: str | None = Field(
        None, description="Why a value is stale; `offline` if none is asked."
    )
    simulated: bool
    replay: dict[str, Any] | None = Field(
        None,
        description="The recorded day that is played and how fast; absent where data are live.",
        examples=[{"day": "2023-02-01", "speed": 10}],
    )
    age: float | None = Field(None, description="Seconds in the cache.")
    stale_keys: list[str] | None = None
    adjust: dict[str, Any] | None = None
    resolution: dict[str, float] | None = Field(
        None, description="Steps of fields that the source counts more coarsely than a cent."
    )
    trace_id: str


class Envelope(BaseModel):
    """What every data answer carries beside its data."""

    success: Literal[True]
    meta: Meta
    errors: dict[str, SymbolError] | None = None
    explain: dict[str, Any] | None = None
    timestamp: str


class QuoteRow(BaseModel):
    """A quote: yuan, shares (contracts for futures), percent; missing is null."""

    symbol: str | None = None
    name: str | None = None
    price: float | None = None
    change: float | None = None
    change_pct: float | None = None
    volume: float | None = None
    turnover: float | None = None
    high: float | None = None
    low: float | None = None
    open: float | None = None
    prev_close: float | None = None
    timestamp: str | None = None


class LevelRow(BaseModel):
    """One level of an order book."""

    price: float
    volume: float


class OrderBook(BaseModel):
    """Both sides, the best level first."""

    bids: list[LevelRow]
    asks: list[LevelRow]


class TradeRow(BaseModel):
    """One trade; direction is the aggressor's side."""

    price: float
    volume: float
    direction: Literal["buy", "sell"] | None = None
    timestamp: str


class FullRow(BaseModel):
    """A full quote, in the groups asked for."""

    basic: QuoteRow | None = None
    orderbook: OrderBook | None = None
    trades: list[TradeRow] | None = None


class BarRow(BaseModel):
    """One bar: `date` from a day on, `time` (the bar's end) and `date` within the day."""

    time: str | None = None
    date: str
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None
    turnover: float | None = None
    change: float | None = None
    change_pct: float | None = None
    final: Literal[False] | None = Field(None, description="Only on the unfinished bar.")


class InstrumentRow(BaseModel):
    """What an instrument is; missing is null."""

    symbol: str | None = None
    name: str | None = None
    full_name: str | None = None
    industry: str | None = None
    sector: str | None = None
    market: str | None = None
    list_date: str | None = None
    total_shares: float | None = None
    float_shares: float | None = None
    market_cap: float | None = None
    pe_ratio: float | None = None
    pb_ratio: float | None = None
    dividend_yield: float | None = None
    kind: str | None = None
    delist_date: str | None = None
    price_tick: float | None = None
    lot_size: float | None = None
    multiplier: float | None = None
    underlying: str | None = None
    former_symbols: list[str] | None = None


class Calendar(BaseModel):
    """Trading dates of the range, their count, and every other day of it."""

    trading_dates: list[str]
    total_days: int
    holidays: list[str]


class SectorMembers(BaseModel):
    """The members of a sector."""

    sector: str
    count: int
    symbols: list[str]


class LatestBody(Envelope):
    """Latest quotes by symbol."""

    data: dict[str, QuoteRow]
    cache_hit: bool
    response_time_ms: float


class FullBody(Envelope):
    """Full quotes by symbol."""

    data: dict[str, FullRow]


class HistoryBody(Envelope):
    """Bars by symbol, ascending."""

    data: dict[str, list[BarRow] | dict[str, list[Any]]]
    total_records: int
    period: str


class InstrumentBody(Envelope):
    """Instruments by symbol."""

    data: dict[str, InstrumentRow]


class CalendarBody(Envelope):
    """The calendar of a market."""

    data: Calendar


class SectorBody(Envelope):
    """A sector."""

    data: SectorMembers


class SourcesBody(BaseModel):
    """Every enabled source as it stands now."""

    success: Literal[True]
    data: list[dict[str, Any]]
    timestamp: str


class HealthBody(BaseModel):
    """Whether Argus can answer, and which of its parts are well."""

    status: Literal["healthy", "degraded", "down"]
    timestamp: str
    version: str
    uptime_seconds: int
    services: dict[str, Literal["healthy", "degraded", "down"]]
