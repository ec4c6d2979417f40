"""One symbol's recorded day: the steps in which it was told, and its state at any of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from argus_core import SHANGHAI, Depth, Gap, Level, Quote, Symbol, Trade
from argus_replay.reel import COLUMNS, QUOTE

RECENT = 20
"""Trades that an asked book carries at most."""
BLOCK = 128
"""Rows that are decoded at once where they are played one after the other."""

_AT, _AS_OF, _DIRECTION, _PRICE, _VOLUME = map(
    COLUMNS.index, ("at", "as_of", "direction", "price", "volume")
)
_QUOTED = slice(COLUMNS.index(QUOTE[0]), COLUMNS.index(QUOTE[-1]) + 1)
_BOOK = slice(COLUMNS.index("bid_prices"), COLUMNS.index("ask_volumes") + 1)


@dataclass(slots=True)
class Step:
    """What came at once: a quote, a book, trades; by the numbers of their rows."""

    at: datetime
    quote: int | None = None
    book: int | None = None
    trades: list[int] = field(default_factory=list[int])
    gap: int | None = None

    def takes(self, kind: str, at: datetime) -> bool:
        """True if a further row of this instant belongs to the same push."""
        if self.at != at or self.gap is not None:
            return False
        return kind == "trades" or (kind == "depth" and not self.trades and self.book is None)


class Tape:
    """The rows of one symbol in the order in which they were said."""

    def __init__(self, symbol: Symbol, rows: pl.DataFrame) -> None:
        self.symbol = symbol
        self.rows = rows.select(COLUMNS)
        self.steps = _steps(rows)
        self.instants = [step.at for step in self.steps]
        self.quotes: list[int] = []
        """The row of the last quote at each step; -1 before the first."""
        self._books: list[int] = []
        self._traded: list[int] = []
        """How many trades there were up to each step."""
        self._trades = [row for step in self.steps for row in step.trades]
        quote, book, many = -1, -1, 0
        for step in self.steps:
            quote = quote if step.quote is None else step.quote
            book = book if step.book is None else step.book
            many += len(step.trades)
            self.quotes.append(quote)
            self._books.append(book)
            self._traded.append(many)
        # Decoding a row takes long, and most of that for its instants.
        self._plain = self.rows.with_columns(pl.col("at", "as_of").dt.timestamp("us"))
        self._block: list[tuple[Any, ...]] = []
        self._from = 0

    def reached(self, now: datetime) -> int:
        """How many steps were taken by an instant."""
        return bisect_right(self.instants, now)

    def quote_at(self, now: datetime) -> Quote | None:
        """The last quote by an instant; None before the first."""
        step = self.reached(now) - 1
        return self._quote(step) if step >= 0 and self.quotes[step] >= 0 else None

    def depth_at(self, now: datetime, levels: int) -> Depth | None:
        """Quote, book and the last trades by an instant; None where there was no book yet."""
        step = self.reached(now) - 1
        quote = self.quote_at(now)
        if quote is None or self._books[step] < 0:
            return None
        bids, asks = self._sides(step)
        trades = None
        if self._trades:
            many = self._traded[step]
            trades = tuple(self._trade(row) for row in self._trades[max(0, many - RECENT) : many])
        return Depth(quote=quote, bids=bids[:levels], asks=asks[:levels], trades=trades)

    def item(self, number: int) -> Depth | Gap | None:
        """What was pushed at a step; None if nothing is known of the symbol yet."""
        step = self.steps[number]
        if step.gap is not None:
            return self._gap(step.gap)
        if self.quotes[number] < 0:
            return None
        self._read_on(step)
        bids, asks = self._sides(number)
        trades = tuple(self._trade(row) for row in step.trades) if step.trades else None
        return Depth(quote=self._quote(number), bids=bids, asks=asks, trades=trades)

    def name(self) -> str | None:
        """The instrument's name, where a quote told it."""
        told = self.rows["name"].drop_nulls()
        return str(told[-1]) if told.len() else None

    def told(self, now: datetime) -> pl.DataFrame:
        """The rows of the quotes that were told by an instant, each once."""
        numbers = dict.fromkeys(row for row in self.quotes[: self.reached(now)] if row >= 0)
        return self.rows[list(numbers)]

    def _read_on(self, step: Step) -> None:
        """Decode many rows at once from this step on, where they are not decoded yet."""
        own = [row for row in (step.quote, *step.trades) if row is not None]
        first, end = own[0], own[-1] + 1
        if first < self._from or end > self._from + len(self._block):
            self._block = self._plain.slice(first, max(BLOCK, end - first)).rows()
            self._from = first

    def _row(self, number: int) -> tuple[Any, ...]:
        place = number - self._from
        return self._block[place] if 0 <= place < len(self._block) else self._plain.row(number)

    def _quote(self, step: int) -> Quote:
        row = self._row(self.quotes[step])
        told, at = dict(zip(QUOTE, row[_QUOTED], strict=True)), row[_AS_OF]
        return Quote(symbol=self.symbol, as_of=None if at is None else _moment(at), **told)

    def _sides(self, step: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        if self._books[step] < 0:
            return (), ()
        bid_prices, bid_volumes, ask_prices, ask_volumes = self._row(self._books[step])[_BOOK]
        return _levels(bid_prices, bid_volumes), _levels(ask_prices, ask_volumes)

    def _trade(self, number: int) -> Trade:
        row = self._row(number)
        at = row[_AT] if row[_AS_OF] is None else row[_AS_OF]
        return Trade(
            price=row[_PRICE], volume=row[_VOLUME], time=_moment(at), direction=row[_DIRECTION]
        )

    def _gap(self, number: int) -> Gap:
        row = self.rows.row(number, named=True)
        told: dict[str, Any] = orjson.loads(row["told"] or b"{}")
        reason = str(told.get("reason", "the recording does not say why"))
        if row["lost"]:
            reason = f"{reason}: {row['lost']} updates were not recorded"
        since = told.get("since")
        at = datetime.fromisoformat(since) if isinstance(since, str) else None
        return Gap(symbols=(self.symbol,), reason=reason, since=at)


def _steps(rows: pl.DataFrame) -> list[Step]:
    """The pushes that the rows came in: a quote, its book, its trades, all of one instant."""
    steps: list[Step] = []
    plain = rows.select("kind", pl.col("at").dt.timestamp("us"))
    for number, (kind, micros) in enumerate(plain.iter_rows()):
        at = _moment(micros)
        if kind == "gap":
            steps.append(Step(at, gap=number))
            continue
        if kind not in ("quotes", "depth", "trades"):
            continue
        if not steps or not steps[-1].takes(kind, at):
            steps.append(Step(at))
        step = steps[-1]
        if kind == "trades":
            step.trades.append(number)
        else:
            step.quote = number
            step.book = number if kind == "depth" else step.book
    return steps


def _levels(
    prices: Sequence[float | None] | None, volumes: Sequence[float | None] | None
) -> tuple[Level, ...]:
    pairs = zip(prices or (), volumes or (), strict=True)
    return tuple(Level(price, volume) for price, volume in pairs if price and volume is not None)


def _moment(micros: int) -> datetime:
    """The instant so many microseconds after 1970, in Shanghai's time."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, SHANGHAI).replace(microsecond=rest)
