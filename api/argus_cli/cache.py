"""``argus cache warm``: fetch now what will be asked for soon."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Generator
from contextlib import aclosing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from argus_cli.options import DEFAULT_CONFIG, ConfigOption
from argus_cli.trouble import tell, told

if TYPE_CHECKING:
    from argus_core.gateway import Gateway
    from argus_core.warmup.progress import Missed, Progress

NOTHING_LASTS = 2
INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells know it."""

_SHOWN = 5
_STEPS = 20
_ADD = (
    'add a table that outlives the process: [caches.l2] with plugin = "redis", '
    '[caches.l3] with plugin = "sqlite", or [history] for bars'
)

cache = typer.Typer(name="cache", help="Fill the caches.", no_args_is_help=True)


@cache.callback()
def _root() -> None:
    pass


@cache.command()
def warm(
    *,
    symbols: Annotated[
        str | None,
        typer.Option(help="Only these symbols, separated by commas, instead of \\[warmup]'s."),
    ] = None,
    datasets: Annotated[
        str | None,
        typer.Option(help="quotes, depth, instruments, bars, listings; separated by commas."),
    ] = None,
    periods: Annotated[
        str | None, typer.Option(help="Periods of bars, separated by commas.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Trading dates of bars, back from the last settled one.")
    ] = None,
    most_asked: Annotated[
        int | None,
        typer.Option(
            help="How many of the last day's most asked symbols join; 0 where --symbols is given."
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    r"""Fetch what \[warmup] lists and what was asked for most, at the pace that vendors allow.

    What is fresh already costs no call: run it again to go on after a break. Exit 0: all is
    there, 1: something failed, 2: no configured tier outlives the process.
    """
    if symbols is not None and most_asked is None:
        most_asked = 0
    given = {
        "symbols": _split(symbols),
        "datasets": _split(datasets),
        "periods": _split(periods),
        "days": days,
        "most_asked": most_asked,
    }
    tally = _Tally()
    try:
        with told(), _only_our_words() as out:
            from argus_core.gateway import Gateway

            argus = Gateway.from_toml(config, os.environ)
            if not argus.warmup.lasting:
                tell("no configured tier outlives this process", where=str(config), fix=_ADD)
                raise typer.Exit(NOTHING_LASTS)
            asyncio.run(_warm(argus, {k: v for k, v in given.items() if v is not None}, tally, out))
    except KeyboardInterrupt:
        tally.show()
        typer.echo("interrupted: run the same command again to go on; what is there is skipped")
        raise typer.Exit(INTERRUPTED) from None
    tally.show()
    if tally.missed:
        raise typer.Exit(1)


def _split(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


@contextmanager
def _only_our_words() -> Generator[TextIO]:
    """Standard output, kept from what a source prints: that goes to stderr meanwhile."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        yield out


async def _warm(argus: Gateway, changes: dict[str, Any], tally: _Tally, out: TextIO) -> None:
    from argus_core.tables import WarmupTable
    from argus_core.telemetry.mistakes import made

    given = {**argus.warmup.table.model_dump(), **changes}
    table = made(WarmupTable, given, "the command line")
    async with argus:
        with _shown(out) as show:
            async with aclosing(argus.warmup.run(table)) as events:
                async for event in events:
                    tally.add(event)
                    show(event)


@dataclass
class _Tally:
    """The last event, and every failure."""

    last: Progress | None = None
    missed: list[Missed] = field(default_factory=list["Missed"])

    def add(self, event: Progress) -> None:
        self.last = event
        self.missed.extend(event.missed)

    def show(self) -> None:
        """Print what came of it: counts, then each reason once with the keys that it hit."""
        last = self.last
        if last is None:
            return
        if not last.total:
            typer.echo("nothing to warm: list symbols under [warmup], or name them with --symbols")
            return
        reasons: dict[tuple[str, str, str], list[str]] = {}
        for missed in self.missed:
            reason = (str(missed.kind), missed.code, missed.message)
            reasons.setdefault(reason, []).extend(missed.keys)
        for (kind, code, message), keys in reasons.items():
            some = ", ".join(keys[:_SHOWN])
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
            typer.echo(f"{kind}: {some}{more}: {code}, {message}")
        left = f", {last.total - last.done} not asked yet" if last.done < last.total else ""
        typer.echo(
            f"{last.fetched} fetched, {last.fresh} already fresh, {last.failed} failed{left}"
        )


@contextmanager
def _shown(out: TextIO) -> Generator[Callable[[Progress], None]]:
    """Shows progress: a bar on a terminal, now and then a line elsewhere."""
    if not out.isatty():
        yield _lines(out)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # The outputs of sources must not be drawn into the bar: they are redirected already.
    with Bars(
        *columns, console=Console(file=out), redirect_stdout=False, redirect_stderr=False
    ) as bars:
        task = bars.add_task("warming up", total=None)

        def draw(event: Progress) -> None:
            what = "warming up" if event.kind is None else str(event.kind)
            bars.update(task, description=what, total=event.total, completed=event.done)

        yield draw


def _lines(out: TextIO) -> Callable[[Progress], None]:
    """Writes a line each time that another part of the whole is done."""
    written = 0

    def write(event: Progress) -> None:
        nonlocal written
        part = event.done * _STEPS // event.total if event.total else 0
        if part > written:
            written = part
            typer.echo(f"{event.done} of {event.total}: {event.kind}", file=out)
            out.flush()

    return write
