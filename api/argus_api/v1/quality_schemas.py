"""The shapes of the quality paths' bodies, for OpenAPI only."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from argus_api.schemas import SymbolError

Word = Literal["identical", "different", "not compared"]


class ProvedRows(BaseModel):
    """Rows that turnover ÷ volume proved, or missed by less than two, or that nothing proves."""

    proved: int
    off: int
    unproved: int
    inferred: int = Field(description="How often a volume's unit was told from the turnover.")


class FailedCheckRow(BaseModel):
    """The last thing that could not be true; key is null where a whole answer could not be read."""

    at: str
    dataset: str
    key: str | None
    check: Literal["disproved", "crossed_book", "bad_data", "unreadable"]
    reason: str


class FreshnessRow(BaseModel):
    """The newest instant that values spoke of, and seconds since the last ones came."""

    as_of: str | None
    last_ok_at: str
    age: float


class QuarantineRow(BaseModel):
    """What a source is not asked for; symbol is null where it is the whole scope."""

    scope: str = Field(examples=["bars:1d:stock"])
    symbol: str | None
    since: str
    until: str
    times: int = Field(description="How often it happened with less than a day in between.")
    reason: str


class QualityRow(BaseModel):
    """One source since start-up, by dataset (`bars` with the period)."""

    name: str
    rows: dict[str, ProvedRows]
    failed: dict[str, int] = Field(description="Failed checks by kind.")
    last_failure: FailedCheckRow | None
    freshness: dict[str, FreshnessRow]
    quarantined: list[QuarantineRow]


class QualityBody(BaseModel):
    """What each enabled source proved and disproved."""

    success: Literal[True]
    data: list[QualityRow]
    timestamp: str


class ReleasedBody(BaseModel):
    """The quarantines that this ended."""

    success: Literal[True]
    data: list[QuarantineRow]
    timestamp: str


class CellRow(BaseModel):
    """One field of one bar in both sources."""

    bar: str = Field(description="The bar's end, from a day on its date.")
    field: str
    a: float | None
    b: float | None


class DifferingRow(BaseModel):
    """How many bars differ in a field, and the one that differs most."""

    rows: int
    worst: CellRow


class OnlyInRow(BaseModel):
    """How many bars only one source has, and the first of them."""

    rows: int
    first: list[str]


class ComparisonRow(BaseModel):
    """Source b against source a."""

    a: str
    b: str
    identical: bool
    rows: int = Field(description="Bars that both have.")
    fields: dict[str, DifferingRow]
    missing_fields: dict[str, list[str]] = Field(description="Fields that a source has nowhere.")
    only_in: dict[str, OnlyInRow]
    examples: list[CellRow]


class SymbolReportRow(BaseModel):
    """One symbol: who answered, why others did not, and the comparisons with the first."""

    verdict: Word
    answered: list[str]
    errors: dict[str, SymbolError]
    comparisons: list[ComparisonRow]


class ReconciliationRow(BaseModel):
    """What sources say of the same bars."""

    verdict: Word
    sources: list[str]
    period: str
    adjust: str
    start: str
    end: str
    symbols: dict[str, SymbolReportRow]


class ReconciliationBody(BaseModel):
    """Sources compared on the same bars."""

    success: Literal[True]
    data: ReconciliationRow
    timestamp: str
