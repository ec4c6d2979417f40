"""``argus reconcile``: do the sources say the same of the same bars?"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from argus_cli.options import DEFAULT_CONFIG, ConfigOption
from argus_cli.trouble import tell

if TYPE_CHECKING:
    from argus_core.model.query import HistoryQuery
    from argus_core.quality.compare import Comparison
    from argus_core.quality.reconcile import Reconciliation

T = TypeVar("T")

SECONDS = 300.0
"""How long the slowest source may take."""
DIFFERENT = 1
NOT_COMPARED = 2

_HEADINGS = ("symbol", "sources", "bars", "", "field", "differing", "worst at", "a", "b")


def reconcile(
    *,
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas.")],
    start: Annotated[str, typer.Option(help="First trading date, or an instant; inclusive.")],
    end: Annotated[str, typer.Option(help="Last trading date, or an instant; inclusive.")],
    period: Annotated[str, typer.Option(help="1m 5m 15m 30m 1h 1d 1w 1mon.")] = "1d",
    adjust: Annotated[str, typer.Option(help="none, pre or post.")] = "none",
    sources: Annotated[
        str | None,
        typer.Option(help="Sources, separated by commas; all that offer bars if absent."),
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=SHARE by which equal values may differ; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Compare sources on the same bars; exit 0 identical, 1 different, 2 not all compared."""
    from argus_core.errors import ArgusError, ConfigError

    try:
        query = _query(symbols, start, end, period, adjust)
        # What a source prints must not stand between the lines of the report.
        with redirect_stdout(sys.stderr):
            report = asyncio.run(_asked(config, query, sources, tolerance or ()))
    except ConfigError as error:
        _fail(error.message, where=error.where, fix=error.fix)
    except ArgusError as error:
        _fail(error.message)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(report)
    if report.verdict == "different":
        raise typer.Exit(DIFFERENT)
    if report.verdict == "not compared":
        raise typer.Exit(NOT_COMPARED)


def _fail(message: str, *, where: str = "", fix: str = "") -> NoReturn:
    tell(message, where=where, fix=fix)
    raise typer.Exit(NOT_COMPARED)


def _query(symbols: str, start: str, end: str, period: str, adjust: str) -> HistoryQuery:
    """The question; raises for a text that cannot be read, under the option's name."""
    from argus_api.reading import day_of, one_of, read_moment, read_texts
    from argus_api.terms import span_of
    from argus_core import Adjust, Period, parse_symbol
    from argus_core.model.query import HistoryQuery

    length = _read("--period", one_of(Period), period)
    first, last = span_of(
        _read("--start", read_moment, start), _read("--end", read_moment, end), length
    )
    return HistoryQuery(
        symbols=tuple(
            parse_symbol(text, start=day_of(first), end=day_of(last))
            for text in _read("--symbols", read_texts, symbols)
        ),
        period=length,
        start=first,
        end=last,
        adjust=_read("--adjust", one_of(Adjust), adjust),
    )


def _read(option: str, parse: Callable[[str], T], text: str) -> T:
    """What ``parse`` makes of an option's text; its refusal names the option."""
    from argus_api.query import BadValueError
    from argus_core.errors import BadParameter

    try:
        return parse(text)
    except (BadValueError, BadParameter) as error:
        raise BadParameter(f"{option} {error}") from None


async def _asked(
    config: Path, query: HistoryQuery, sources: str | None, tolerance: Sequence[str]
) -> Reconciliation:
    from argus_api.reading import read_texts
    from argus_core.gateway import Gateway
    from argus_core.model.ask import Ask, Deadline
    from argus_core.quality.compare import read_tolerance

    allowed: dict[str, float] = {}
    for text in tolerance:
        allowed |= _read("--tolerance", lambda one: read_tolerance(one.split(",")), text)
    names = None if sources is None else _read("--sources", read_texts, sources)
    async with Gateway.from_toml(config, os.environ) as argus:
        ask = Ask(deadline=Deadline.within(SECONDS, argus.clock), use_cache=False)
        return await argus.quality.reconcile(query, ask, sources=names, tolerance=allowed)


def _show(report: Reconciliation) -> None:
    from argus_cli.console import output, table, verdict

    console = output()
    rows = [
        (symbol, *told, verdict(console, ok=same) if same is not None else "", *cells)
        for symbol, found in report.symbols.items()
        for comparison in found.comparisons
        for told, same, cells in _rows(comparison)
    ]
    if rows:
        console.print(table(_HEADINGS, rows))
    for symbol, found in report.symbols.items():
        for source, why in found.errors.items():
            console.print(f"{symbol}: {source} did not answer: {why.code}, {why.message}")
        if found.verdict == "not compared":
            console.print(f"{symbol}: fewer than two sources answered")
    many = len(report.symbols)
    console.print(
        f"{report.verdict}: {many} {'symbol' if many == 1 else 'symbols'}, "
        f"{report.period} bars, {report.start} to {report.end}"
    )


_Row = tuple[tuple[str, str], bool | None, tuple[str, str, str, str, str]]


def _rows(comparison: Comparison) -> Iterator[_Row]:
    """One line for each field that differs, or one that says how alike they are."""
    pair = (f"{comparison.a} ~ {comparison.b}", str(comparison.rows))
    if comparison.identical:
        yield pair, True, ("", "", "", "", "")
    for name, found in comparison.fields.items():
        worst = found.worst
        a, b = (_number(value) for value in (worst.a, worst.b))
        yield pair, False, (name, str(found.rows), _label(worst.bar), a, b)
    for source, only in comparison.only_in.items():
        yield pair, False, (f"only in {source}", str(only.rows), _label(only.first[0]), "", "")
    for name, lacking in comparison.missing_fields.items():
        yield pair, None, (name, f"no value in {', '.join(lacking)}", "", "", "")


def _label(bar: date) -> str:
    return bar.isoformat(sep=" ", timespec="minutes") if isinstance(bar, datetime) else str(bar)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.12g}"
