"""Tables for people: coloured and fitted on a terminal, plain and whole in a pipe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 240
"""Columns where there is no terminal: wide enough that no row is folded for the next program."""


def output() -> Console:
    """The console of stdout as it is now."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    return console


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    wrapping: Collection[str] = (),
) -> Table:
    """A table of literal text: square brackets are table names here, not markup.

    Only the columns of ``wrapping`` give way on a narrow terminal: a name or a time that breaks in
    the middle can be neither read nor copied.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        made.add_column(
            heading, header_style="bold", overflow="fold", no_wrap=heading not in wrapping
        )
    for row in rows:
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def verdict(console: Console, *, ok: bool) -> Text:
    """A tick or a cross, or a word where the output's encoding has neither."""
    signs = ("✓", "✗") if console.encoding.lower().startswith("utf") else ("ok", "FAIL")
    return Text(signs[0], style="green") if ok else Text(signs[1], style="bold red")
