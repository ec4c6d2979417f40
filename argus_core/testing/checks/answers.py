"""SRC-01 to SRC-07: whom an answer speaks of, in what form, and what stands for "missing"."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from argus_core.errors import ArgusError, NotOffered
from argus_core.extend.source import DATASETS, Source
from argus_core.market.frames import HUGE, INT_MAX
from argus_core.model.period import Period
from argus_core.model.records import Depth, Quote
from argus_core.model.symbol import Symbol
from argus_core.testing import candidates
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.questions import asking, datasets, same
from argus_core.testing.subject import Subject

_POSITIVE = frozenset(
    {
        *("price", "open", "high", "low", "prev_close", "price_tick", "lot_size", "multiplier"),
        *("total_shares", "float_shares", "market_cap", "pe_ratio", "pb_ratio"),
    }
)
"""Fields that are never zero where they are known."""
_SEALED = ("bars", "factors", "instruments", "ticks")
"""Datasets whose answers about the past do not change from one call to the next."""


@check("SRC-01")
async def possible_facts(subject: Subject) -> None:
    """The class attributes state possible facts, and a dataset or a stream is offered.

    The core calculates with them: units, labels, time zone, limits. `periods` holds the vendor's
    own; longer ones are made from 1m and 1d, so one of the two is needed where bars are offered.
    """
    source: Source = subject.make()
    offers = type(source).offers()
    demand(
        offers or type(source).pushes(),
        f"override at least one of the methods {', '.join((*DATASETS, 'subscribe'))}",
    )
    demand(source.exchanges, "state the `exchanges` that the vendor covers")
    demand(source.kinds, "state the `kinds` of instruments that the vendor covers")
    demand(source.symbols_per_call >= 1, "`symbols_per_call` is at least 1")
    demand(source.max_concurrency >= 1, "`max_concurrency` is at least 1")
    demand(source.bar_label in ("start", "end"), '`bar_label` is "start" or "end"')
    try:
        ZoneInfo(source.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Failed(f"`timezone` {source.timezone!r} is no IANA zone: Asia/Shanghai?") from None
    for rule in source.units:
        factors = (rule.turnover, 1.0 if rule.volume is None else rule.volume)
        demand(
            all(0 < f < math.inf for f in factors), f"a factor of `units` is not positive: {rule}"
        )
    if "bars" in offers:
        usable = {Period.M1, Period.D1} & source.periods
        demand(usable, "`periods` needs 1m or 1d: every other period is made from them")


@check("SRC-02")
async def known_symbols(subject: Subject) -> None:
    """Known symbols are answered in the published form and in canonical spelling.

    What is judged is the core's own reading of the answer: the right records, the columns of the
    schema, `600519.SH` and never the vendor's spelling. Each dataset that is offered must be
    readable, and each symbol of `symbols` be answered by one of them.
    """
    async with asking(subject) as it:
        answered = set[Symbol]()
        for dataset in datasets(it.source):
            answered |= set(await it.answered(dataset))
            trouble = it.trouble(dataset)
            demand(trouble is None, f"{dataset}: {trouble}")
        lost = [symbol for symbol in subject.symbols if symbol not in answered]
        demand(not lost, f"no dataset answers {', '.join(lost)}, which `symbols` says is known")
        if not answered:
            skip("it answers none of the well-known symbols: name `symbols` that it knows")


@check("SRC-03")
async def several_symbols(subject: Subject) -> None:
    """Several symbols in one call are answered as each alone, in whatever order they are asked.

    Answers matched by position instead of by name give one symbol the numbers of another.
    """
    async with asking(subject) as it:
        compared = 0
        for dataset in datasets(it.source):
            symbols = await it.answered(dataset)
            if len(symbols) < 2:  # noqa: PLR2004
                continue
            compared += 1
            backwards = await it.values(it.query(dataset, symbols[::-1]))
            for symbol in symbols:
                alone = (await it.values(it.query(dataset, (symbol,)))).get(symbol)
                demand(symbol in backwards, f"{dataset} leaves {symbol} out when others are asked")
                alike = _alike(dataset, alone, backwards[symbol])
                demand(alike, f"{dataset} of {symbol} alone and among others differ")
        if not compared:
            skip("fewer than two symbols are known")


@check("SRC-04")
async def unknown_symbols(subject: Subject) -> None:
    """A symbol that nobody knows is left out: no error, no zeros, no other symbol in its place.

    An error would ruin the batch and blame the source; zeros would be believed.
    """
    async with asking(subject) as it:
        nobody = candidates.nobody(subject.cls)
        if nobody is None:
            skip("no symbol is known that it would cover and that nobody has given out")
        for dataset in datasets(it.source):
            known = (await it.answered(dataset))[:1]
            for asked in ((nobody,), (*known, nobody)):
                try:
                    reply = await it.raw(it.query(dataset, asked))
                except NotOffered:
                    continue
                except ArgusError as error:
                    raise Failed(
                        f"{dataset} of the unknown {nobody} raised {type(error).__name__}: "
                        "leave out what the vendor does not have"
                    ) from None
                demand(
                    nobody not in spoken_of(reply),
                    f"{dataset} answers {nobody}, which does not exist: leave it out",
                )


@check("SRC-05")
async def no_strangers(subject: Subject) -> None:
    """An answer speaks of what was asked and of nothing else.

    Filter what the vendor sends on its own account; the core drops the rest, and refuses an answer
    that holds nothing but strangers, which is how a vendor's spelling shows.
    """
    async with asking(subject) as it:
        for dataset in datasets(it.source):
            asked = await it.answered(dataset)
            if asked:
                strangers = spoken_of(await it.raw(it.query(dataset, asked))) - set(asked)
                demand(not strangers, f"{dataset} also answers {', '.join(sorted(strangers))}")


@check("SRC-06")
async def missing_is_none(subject: Subject) -> None:
    """What the vendor does not have is `None` in a record: never 0, NaN, a sentinel or "".

    A price, a tick, a count of shares or a ratio of 0 is a number that somebody will believe.
    """
    async with asking(subject) as it:
        looked = False
        for dataset in datasets(it.source):
            known = await it.answered(dataset)
            if not known or dataset not in ("quotes", "depth", "instruments"):
                continue
            looked = True
            for record in await it.raw(it.query(dataset, known)):
                for name, value in _fields(record):
                    demand(not _pretends(name, value), f"{dataset}: {name} is {value!r}, not None")
        if not looked:
            skip("it answers no quotes, no depth and no instruments")


@check("SRC-07")
async def own_answers(subject: Subject) -> None:
    """What is answered belongs to the asker: asking again after it was changed gives the same.

    A list that the source keeps is emptied by whoever empties his copy. Judged on what does not
    change by itself: bars, factors, instruments and ticks of the past.
    """
    async with asking(subject) as it:
        for dataset in datasets(it.source):
            symbols = await it.answered(dataset)
            if not symbols or dataset not in _SEALED:
                continue
            query = it.query(dataset, symbols)
            before = await it.values(query)
            reply = await it.raw(query)
            _clear(reply)
            again = await it.values(query)
            demand(
                before.keys() == again.keys() and all(same(before[k], again[k]) for k in before),
                f"{dataset} asked twice gives two answers: hand out a new list each time",
            )


CHECKS: tuple[Check, ...] = (
    possible_facts,
    known_symbols,
    several_symbols,
    unknown_symbols,
    no_strangers,
    missing_is_none,
    own_answers,
)


def spoken_of(reply: Any) -> set[str]:
    """The symbols that a raw answer speaks of."""
    if hasattr(reply, "__arrow_c_stream__"):
        frame = reply if isinstance(reply, pl.DataFrame) else pl.DataFrame(reply)
        return set(map(str, frame["symbol"].unique())) if "symbol" in frame.columns else set()
    return {str(_symbol_of(item)) for item in reply}


def _symbol_of(item: Any) -> Any:
    """The symbol of a row, of a record, or the key of a mapping itself."""
    return item if isinstance(item, str) else _read(item, "symbol")


def _read(item: Any, name: str) -> Any:
    return item.get(name) if hasattr(item, "get") else getattr(item, name, None)


def _clear(reply: Any) -> None:
    """Take everything out of an answer that can be changed."""
    if isinstance(reply, list | dict):
        reply.clear()  # pyright: ignore[reportUnknownMemberType]


def _alike(dataset: str, one: Any, other: Any) -> bool:
    """True if two answers about a symbol agree in everything that does not change by itself."""
    if dataset in _SEALED:
        return same(one, other)
    return bool(_still(one) == _still(other))


def _still(value: Any) -> Any:
    quote = value.quote if isinstance(value, Depth) else value
    return (quote.name, quote.prev_close) if isinstance(quote, Quote) else None


def _fields(record: Any) -> Iterable[tuple[str, Any]]:
    """The fields of a record and of the records in it, by name."""
    for item in fields(record):
        value = getattr(record, item.name)
        if is_dataclass(value):
            yield from _fields(value)
        elif item.name in ("bids", "asks", "trades"):
            for inner in value or ():
                yield from _fields(inner)
        else:
            yield item.name, value


def _pretends(name: str, value: Any) -> bool:
    """True if a value stands for a missing one without saying so."""
    if isinstance(value, str):
        return not value.strip()
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    if not -HUGE < value < HUGE or value == INT_MAX:  # NaN fails every comparison
        return True
    return value == 0 and name in _POSITIVE
