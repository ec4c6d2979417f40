"""``argus plugin test``: an installed plugin under the conformance kit."""

# ruff: noqa: PT028 - a command whose name is `test` is no test

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argus_cli.options import DEFAULT_CONFIG
from argus_cli.trouble import told

if TYPE_CHECKING:
    from rich.text import Text

    from argus_core.testing import Report, Row

_DATE = ["%Y-%m-%d", "%Y%m%d"]


def test(
    name: Annotated[str, typer.Argument(help="The plugin's name, as `argus plugins` lists it.")],
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Take the settings from the first table of this file that names the plugin; "
            f"{DEFAULT_CONFIG} if there is one.",
        ),
    ] = None,
    symbols: Annotated[
        str, typer.Option(help="Symbols that the vendor knows, with commas between them.")
    ] = "",
    start: Annotated[
        datetime | None, typer.Option(formats=_DATE, help="First trading date to ask about.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option(formats=_DATE, help="Last trading date to ask about.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON instead of a table.")
    ] = False,
) -> None:
    """Put an installed plugin to the proof, check by check; exit 1 if one fails.

    A source asks its vendor some hundred small questions. Settings that nobody gave are the
    plugin's defaults, symbols that nobody named are well-known ones.
    """
    with told():
        from argus_core.testing.configured import configured
        from argus_core.testing.run import run

        if config is None and DEFAULT_CONFIG.exists():
            config = DEFAULT_CONFIG
        subject = configured(
            name,
            config=config,
            symbols=[text for text in symbols.split(",") if text.strip()],
            start=_day(start),
            end=_day(end),
        )
        # What the plugin prints must not stand between the lines of the report.
        with redirect_stdout(sys.stderr):
            report = run(subject)
    if as_json:
        typer.echo(report.to_json())
    else:
        _show(report)
    if not report.ok:
        raise typer.Exit(1)


def _day(given: datetime | None) -> date | None:
    return None if given is None else given.date()


def _show(report: Report) -> None:
    from argus_cli.console import output, table

    console = output()
    utf = console.encoding.lower().startswith("utf")
    console.print(
        table(
            ("", "check", "demand", "finding"),
            ((_sign(row, utf=utf), row.id, row.demand, row.why) for row in report.rows),
            wrapping={"demand", "finding"},
        )
    )
    counts = report.counts()
    console.print(f"\n{report.plugin}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))


def _sign(row: Row, *, utf: bool) -> Text:
    """A sign that the output's encoding has."""
    from rich.text import Text

    signs = {"pass": ("✓", "ok"), "fail": ("✗", "FAIL"), "skip": ("-", "-"), "exempt": ("~", "~")}
    colours = {"pass": "green", "fail": "bold red", "skip": "dim", "exempt": "yellow"}
    pretty, plain = signs[row.verdict]
    return Text(pretty if utf else plain, style=colours[row.verdict])
