"""What another gateway asks of a dataset: the bodies of ``/api/v1/datasets``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Annotated, Any, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from argus_api.query import quoted
from argus_core import BadParameter, Exchange, Period, Symbol, parse_symbol
from argus_core.clock import SHANGHAI
from argus_core.errors import TooLarge
from argus_core.market.ranges import bounds
from argus_core.model.query import (
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    Query,
    QuotesQuery,
    SectorsQuery,
    TicksQuery,
)
from argus_core.model.told import Unanswered

MOST_KEYS = 1000
MOST_ROWS = 1_000_000
"""Rows that one answer may hold at the most: a hundred megabytes."""

_MINUTES_A_DAY = 240
_TICKS_A_DAY = 5000
_WEEK = 7

_Text = Annotated[str, Field(min_length=1, max_length=64)]
_Symbols = Annotated[list[_Text], Field(min_length=1, max_length=MOST_KEYS)]
_Exchanges = Annotated[list[Exchange], Field(min_length=1)]


class Asked(BaseModel):
    """The terms that every question may state."""

    model_config = ConfigDict(extra="forbid")

    use_cache: bool = Field(default=True, description="False: nothing that a cache has kept.")
    max_staleness: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Seconds past its life, at most."
    )
    compress: bool = Field(
        default=False, description="Whether a table is packed with Zstandard, inside of Arrow."
    )

    def query(self, _failures: dict[str, Unanswered]) -> Query:
        """The query; keys that cannot be read go to the failures. Raises if none can be."""
        raise NotImplementedError


class _BySymbol(Asked):
    symbols: _Symbols

    def read(self, failures: dict[str, Unanswered], day: date | None = None) -> tuple[Symbol, ...]:
        """The symbols, each once."""
        found: dict[Symbol, None] = {}
        for text in self.symbols:
            try:
                found[parse_symbol(text, start=day, end=day)] = None
            except BadParameter as error:
                failures[text] = Unanswered(code=error.code, message=error.message)
        if not found:
            first = next(iter(failures.values()))
            raise BadParameter(first.message, details={"parameter": "symbols"})
        return tuple(found)


class _Ranged(_BySymbol):
    start: date = Field(description="The first trading date.")
    end: date = Field(description="The last trading date, included.")

    def days(self) -> int:
        """About how many trading days lie in the range; raises if it runs backwards."""
        return _days(self.start, self.end)


class _Bounded(_Ranged):
    since: AwareDatetime | None = Field(default=None, description="The first instant of interest.")
    until: AwareDatetime | None = Field(default=None, description="The last one.")

    def asked(self, symbols: tuple[Symbol, ...], *, intraday: bool, rows: int) -> dict[str, Any]:
        """The fields of a query about ``rows`` rows a day."""
        if rows * self.days() * len(symbols) > MOST_ROWS:
            raise TooLarge(
                f"about {rows * self.days() * len(symbols):,} rows are asked for, and one answer "
                f"holds at most {MOST_ROWS:,}: ask for fewer symbols or a shorter range"
            )
        nightly = intraday and any(symbol.exchange.trades_futures for symbol in symbols)
        since, until = bounds(self.start, self.end, nightly=nightly)
        return {
            "symbols": symbols,
            "start": self.start,
            "end": self.end,
            "since": self.since.astimezone(SHANGHAI) if self.since else since,
            "until": self.until.astimezone(SHANGHAI) if self.until else until,
        }


class QuotesAsked(_BySymbol):
    """The latest quote of each symbol."""

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        return QuotesQuery(symbols=self.read(failures))


class DepthAsked(_BySymbol):
    """Quote, order book and recent trades of each symbol."""

    levels: int = Field(default=5, ge=1, le=20)

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        return DepthQuery(symbols=self.read(failures), levels=self.levels)


class BarsAsked(_Bounded):
    """Raw bars as traded, whole trading dates."""

    period: Period

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        symbols = self.read(failures, self.end)
        intraday = self.period.intraday
        rows = _MINUTES_A_DAY if intraday else 1
        return BarsQuery(**self.asked(symbols, intraday=intraday, rows=rows), period=self.period)


class TicksAsked(_Bounded):
    """Past snapshots, whole trading dates."""

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        symbols = self.read(failures, self.end)
        return TicksQuery(**self.asked(symbols, intraday=True, rows=_TICKS_A_DAY))


class FactorsAsked(_Ranged):
    """Cumulative adjustment factors."""

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        self.days()
        return FactorsQuery(symbols=self.read(failures), start=self.start, end=self.end)


class InstrumentsAsked(_BySymbol):
    """What each symbol is."""

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        return InstrumentsQuery(symbols=self.read(failures))


class ListingsAsked(Asked):
    """The whole instrument table of each exchange."""

    exchanges: _Exchanges

    def query(self, _failures: dict[str, Unanswered]) -> Query:
        """The query."""
        return ListingsQuery(exchanges=tuple(dict.fromkeys(self.exchanges)))


class CalendarAsked(Asked):
    """The trading dates of each exchange."""

    exchanges: _Exchanges
    start: date
    end: date

    def query(self, _failures: dict[str, Unanswered]) -> Query:
        """The query."""
        _days(self.start, self.end)
        exchanges = tuple(dict.fromkeys(self.exchanges))
        return CalendarQuery(exchanges=exchanges, start=self.start, end=self.end)


class SectorsAsked(Asked):
    """The members of each sector that a vendor itself knows."""

    sectors: list[_Text] = Field(min_length=1, max_length=100)

    def query(self, _failures: dict[str, Unanswered]) -> Query:
        """The query."""
        return SectorsQuery(sectors=tuple(dict.fromkeys(self.sectors)))


class MainContractsAsked(_BySymbol):
    """The contract that each main continuous series follows on a day."""

    day: date

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        return MainContractsQuery(symbols=self.read(failures, self.day), day=self.day)


class ChartPanelsAsked(_BySymbol):
    """A panel of charts on the screen of a vendor's client."""

    panels: list[_Text] = Field(min_length=1, max_length=10)
    period: Period

    def query(self, failures: dict[str, Unanswered]) -> Query:
        """The query."""
        symbols, panels = self.read(failures), tuple(dict.fromkeys(self.panels))
        return ChartPanelsQuery(panels=panels, symbols=symbols, period=self.period)


QUESTIONS: Mapping[str, type[Asked]] = MappingProxyType(
    {
        "quotes": QuotesAsked,
        "depth": DepthAsked,
        "bars": BarsAsked,
        "factors": FactorsAsked,
        "instruments": InstrumentsAsked,
        "listings": ListingsAsked,
        "calendar": CalendarAsked,
        "sectors": SectorsAsked,
        "ticks": TicksAsked,
        "main_contracts": MainContractsAsked,
        "chart_panels": ChartPanelsAsked,
    }
)
"""The body of each dataset's question."""


def read_question(dataset: str, body: bytes) -> Asked:
    """The question in ``body``; :class:`BadParameter` names what of it cannot be used."""
    if dataset not in QUESTIONS:
        raise BadParameter(
            f"there is no dataset {quoted(dataset)}; there are: {', '.join(QUESTIONS)}",
            details={"parameter": "dataset", "allowed": list(QUESTIONS)},
        )
    try:
        return QUESTIONS[dataset].model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadParameter(f"{place}: {first['msg']}", details={"parameter": place}) from None


def schemas() -> dict[str, Any]:
    """The JSON schema of each dataset's question, complete in itself."""
    found: dict[str, Any] = {}
    for name, asked in QUESTIONS.items():
        schema = asked.model_json_schema()
        found[name] = _inlined(schema, schema.pop("$defs", {}))
    return found


def _inlined(part: Any, definitions: Mapping[str, Any]) -> Any:
    """The same schema with each reference replaced by what it refers to."""
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in cast("Iterable[Any]", part)]
    if not isinstance(part, dict):
        return part
    known = cast("dict[str, Any]", part)
    if "$ref" in known:
        return _inlined(definitions[known["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(each, definitions) for name, each in known.items()}


def _days(start: date, end: date) -> int:
    if start > end:
        raise BadParameter(
            f"start {start.isoformat()} lies after end {end.isoformat()}",
            details={"parameter": "start"},
        )
    weeks, rest = divmod(end - start + timedelta(days=1), timedelta(days=_WEEK))
    return weeks * 5 + min(5, rest.days)
