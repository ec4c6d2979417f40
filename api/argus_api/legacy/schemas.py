"""The shapes of the legacy dialect's bodies, for OpenAPI only."""

from __future__ import annotations

from pydantic import BaseModel, Field

from argus_api.schemas import LevelRow, SymbolError


class LegacyQuote(BaseModel):
    """A quote in the legacy dialect: Beijing time, `amount` in yuan, volume in shares."""

    symbol: str
    name: str | None = None
    time: str | None = Field(None, examples=["2024-01-15 09:30:00"])
    price: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    prev_close: float | None = None
    volume: float | None = None
    amount: float | None = None
    change: float | None = None
    change_pct: float | None = None


class LegacyQuotes(BaseModel):
    """Latest quotes; `errors` only where some symbols have none."""

    data: list[LegacyQuote]
    errors: dict[str, SymbolError] | None = None


class LegacyTrade(BaseModel):
    """One trade."""

    time: str
    price: float
    volume: float
    direction: str | None = None


class LegacyFull(LegacyQuote):
    """A full quote of one symbol."""

    bids: list[LevelRow] | None = None
    asks: list[LevelRow] | None = None
    trades: list[LegacyTrade] | None = None


class LegacyPanel(BaseModel):
    """The panel that a client now shows."""

    panel: str = Field(examples=["argus-5f1c"])


class LegacyBar(BaseModel):
    """One bar; `time` is the date at 00:00:00, or the bar's end within the day."""

    time: str = Field(examples=["2023-01-03 00:00:00"])
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None
    amount: float | None = None
    final: bool | None = Field(None, description="false on the unfinished bar only.")


class LegacyBars(BaseModel):
    """Bars of one symbol, ascending."""

    symbol: str
    frequency: str
    data: list[LegacyBar]


class LegacySector(BaseModel):
    """The members of a sector."""

    sector: str
    count: int
    data: list[str]


class LegacyCalendar(BaseModel):
    """The trading dates of a market."""

    market: str
    data: list[str] = Field(examples=[["20240102", "20240103"]])
