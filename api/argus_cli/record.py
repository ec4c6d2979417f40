"""``argus record``: write down what streams, to look at it later or to play it again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from argus_cli.options import DEFAULT_CONFIG, ConfigOption
from argus_cli.trouble import tell, told

if TYPE_CHECKING:
    from argus_core.gateway import Gateway
    from argus_core.model.answer import Failure
    from argus_core.model.symbol import Symbol
    from argus_core.streaming.recorder import Recorder

MEGABYTE = 1_000_000
SHOWN_EVERY = 0.5
"""Seconds between two looks at the progress on a terminal."""
LINE_EVERY = 10.0
"""Seconds between two lines where there is none."""
_CHANNELS = "quotes,depth,trades"


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    symbols: str
    channels: str
    out: Path | None
    rotate_mb: float
    flush_seconds: float
    minutes: float | None


def record(
    *,
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The directory to write to; `recordings` in the data directory."),
    ] = None,
    channels: Annotated[
        str, typer.Option("--channels", "--fields", help="What to record, separated by commas.")
    ] = _CHANNELS,
    rotate_mb: Annotated[
        float, typer.Option(min=0.1, help="Megabytes of small parts that become a large one.")
    ] = 64.0,
    flush_seconds: Annotated[
        float,
        typer.Option(min=0.1, max=60, help="The most seconds that are lost if it is killed."),
    ] = 5.0,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="End by itself after so many minutes.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Record live updates of symbols until Ctrl-C; `replay` plays a recorded day again.

    It opens the sources of the configuration by itself. Exit 0: everything that was heard is on
    the disk; 1: something could not be recorded.
    """
    wishes = Wishes(
        symbols=symbols,
        channels=channels,
        out=out,
        rotate_mb=rotate_mb,
        flush_seconds=flush_seconds,
        minutes=minutes,
    )
    with told(), _only_our_words() as stdout:
        from argus_core.gateway import Gateway

        argus = Gateway.from_toml(config, os.environ)
        whole = asyncio.run(_record(argus, wishes, stdout))
    if not whole:
        raise typer.Exit(1)


@contextmanager
def _only_our_words() -> Generator[TextIO]:
    """Standard output, kept from what a source prints: that goes to stderr meanwhile."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        yield out


async def _record(argus: Gateway, wishes: Wishes, stdout: TextIO) -> bool:
    """True if everything that was heard is on the disk."""
    from argus_cli.signals import stopping
    from argus_core.errors import ConfigError

    asked, channels = _symbols(wishes.symbols), _channels(wishes.channels)
    folder = wishes.out or argus.config.server.data_dir / "recordings"
    stop = asyncio.Event()
    with stopping(stop.set):
        async with argus:
            try:
                recorder = _recorder(argus, wishes, folder, channels)
                rejected = await recorder.begin(asked)
                _tell_rejected(rejected)
                if len(rejected) == len(asked):
                    await recorder.close()
                    return False
                typer.echo(
                    f"recording {len(asked) - len(rejected)} symbols in {folder}", file=stdout
                )
                await _until(recorder, stop, wishes, stdout)
            except OSError as error:
                raise ConfigError(
                    f"the recording cannot be written: {error}",
                    where=str(folder),
                    fix="make room there, or name another directory with --out",
                ) from None
    typer.echo(f"ended: {_progress(recorder)}", file=stdout)
    return not recorder.lost


def _recorder(argus: Gateway, wishes: Wishes, folder: Path, channels: tuple[str, ...]) -> Recorder:
    from argus_core.streaming.recorder import Recorder

    return Recorder(
        argus.streaming,
        folder,
        clock=argus.clock,
        channels=channels,
        flush_seconds=wishes.flush_seconds,
        rotate_bytes=int(wishes.rotate_mb * MEGABYTE),
    )


async def _until(recorder: Recorder, stop: asyncio.Event, wishes: Wishes, stdout: TextIO) -> None:
    """Record until it is time to stop, showing how it goes."""
    showing = asyncio.create_task(_show(recorder, stdout))
    seconds = None if wishes.minutes is None else wishes.minutes * 60
    later = None if seconds is None else asyncio.get_running_loop().call_later(seconds, stop.set)
    try:
        await recorder.run(stop)
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        if later is not None:
            later.cancel()


def _symbols(text: str) -> tuple[Symbol, ...]:
    from argus_core import BadParameter, parse_symbol

    found = tuple(
        dict.fromkeys(parse_symbol(word.strip()) for word in text.split(",") if word.strip())
    )
    if not found:
        raise BadParameter("--symbols names no symbol: write --symbols 600519.SH,000001.SZ")
    return found


def _channels(text: str) -> tuple[str, ...]:
    from argus_core import BadParameter
    from argus_core.streaming.recorder import CHANNELS

    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [word for word in words if word not in CHANNELS]
    if unknown or not words:
        wrong = f"has {', '.join(unknown)}" if unknown else "is empty"
        raise BadParameter(f"--channels {wrong}: choose among {', '.join(CHANNELS)}")
    return words


def _tell_rejected(rejected: Mapping[str, Failure]) -> None:
    for symbol, why in rejected.items():
        tell(f"{symbol} is not recorded: {why.code}, {why.message}")


def _progress(recorder: Recorder) -> str:
    parts = recorder.parts
    text = f"{parts.rows:,} rows, {parts.bytes / MEGABYTE:.1f} MB on disk"
    if recorder.waiting:
        text += f", {recorder.waiting:,} waiting"
    if recorder.lost:
        text += f", {recorder.lost:,} LOST"
    trouble = recorder.trouble or parts.trouble
    return f"{text}; {trouble}" if trouble else text


async def _show(recorder: Recorder, stdout: TextIO) -> None:
    """Show how far it is, again and again: on a terminal in place, elsewhere a line at a time."""
    with _shown(stdout) as (show, pause):
        while True:
            await asyncio.sleep(pause)
            show(_progress(recorder))


@contextmanager
def _shown(stdout: TextIO) -> Generator[tuple[Callable[[str], None], float]]:
    if not stdout.isatty():

        def line(text: str) -> None:
            typer.echo(text, file=stdout)
            stdout.flush()

        yield line, LINE_EVERY
        return
    from rich.console import Console

    console = Console(file=stdout, highlight=False)
    with console.status("recording") as status:
        yield lambda text: status.update(f"recording: {text}"), SHOWN_EVERY
