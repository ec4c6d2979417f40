"""``argus history``: back the archive up, restore it, look at it, clear parts of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argus_cli.options import DEFAULT_CONFIG, ConfigOption
from argus_cli.trouble import told

if TYPE_CHECKING:
    from argus_core.history.archive import Archive

_KIBI = 1024

history = typer.Typer(
    name="history",
    help="Back up, restore, look at or clear the archive; servers may run meanwhile.",
    no_args_is_help=True,
)


@history.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The new file, a tar.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Copy the whole archive into one new file."""
    with _opened(config) as archive, _bar("backing up") as advance:
        report = archive.backup(file, advance)
    typer.echo(
        f"{file}: {report.series} series in {report.chunks} chunks, "
        f"{report.revisions} revisions, {_size(report.bytes)}"
    )


@history.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `argus history backup` made.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Merge a backup into the archive: for each day, what was fetched last counts.

    The file is checked as a whole before anything is written.
    """
    with _opened(config) as archive, _bar("restoring") as advance:
        report = archive.restore(file, advance)
    typer.echo(
        f"{file}: {report.chunks} chunks of {report.series} series, {report.merged} of them "
        f"brought something new, {report.revisions} new revisions"
    )


@history.command()
def stats(*, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show how much the archive holds."""
    from argus_cli.console import output, table

    with _opened(config) as archive:
        held = archive.stats()
    rows = (
        ("folder", str(archive.path)),
        ("series", f"{held.series:,}"),
        ("rows", f"{held.rows:,}"),
        ("size", _size(held.bytes)),
        ("chunks", f"{held.chunks:,}"),
        ("sealed spans", f"{held.spans:,}"),
        ("revisions", f"{held.revisions:,}"),
    )
    output().print(table(("archive", ""), rows, wrapping={""}))


@history.command()
def clear(
    *,
    source: Annotated[str | None, typer.Option(help="Every series of this source.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Every series of this symbol.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Remove series from the archive, by name only; with both options, those that match both."""
    if source is None and symbol is None:
        raise typer.BadParameter("name what to clear with --source, --symbol or both")
    wanted = None if symbol is None else _canonical(symbol)
    named = " of ".join(text for text in (wanted, source) if text is not None)
    with _opened(config) as archive:
        if not yes:
            typer.confirm(f"Remove all of {named} from {archive.path}?", abort=True)
        cleared = archive.clear(source=source, symbol=wanted)
        sources = ", ".join(dict.fromkeys(key.source for key in archive.series()))
    if not cleared.series:
        typer.echo(f"The archive holds nothing of {named}; it has series of {sources or 'nobody'}.")
        return
    typer.echo(
        f"Removed {cleared.series} series of {named}: {cleared.rows:,} rows, "
        f"{_size(cleared.bytes)}."
    )


def _canonical(text: str) -> str:
    """The symbol as the archive spells it; a text that is none is told, and the command ends."""
    with told():
        from argus_core import parse_symbol

        return parse_symbol(text)


@contextmanager
def _opened(path: Path) -> Generator[Archive]:
    """The configured archive, open; what is wrong with it is told, and the command ends."""
    with told():
        from argus_core import Clock
        from argus_core.config import Config
        from argus_core.errors import ConfigError
        from argus_core.folders import archive_folder, open_archive
        from argus_core.history.archive import Archive

        folder = archive_folder(Config.load(path, os.environ))
        if folder is None:
            raise ConfigError(
                "no archive is configured",
                where=f"{path}, [history]",
                fix='add a table [history], with path = "./data/history" if you like',
            )
        archive = Archive(folder.path, Clock())
        try:
            open_archive(archive, folder)
            yield archive
        finally:
            archive.close()


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int], None]]:
    """Something to tell how far it is: a bar on a terminal's stderr, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _size(octets: int) -> str:
    amount = float(octets)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < _KIBI:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= _KIBI
    return f"{amount:.1f} TiB"
