"""How trouble is told: what, where and how to mend it, never a traceback."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import typer


def tell(message: str, *, where: str = "", fix: str = "") -> None:
    """Write up to three aligned lines to stderr."""
    for label, text in (("error", message), ("where", where), ("fix", fix)):
        if text:
            colour = typer.colors.RED if label == "error" else typer.colors.CYAN
            typer.secho(f"{label:>5}: ", fg=colour, bold=True, nl=False, err=True)
            typer.echo(text.replace("\n", "\n       "), err=True)


@contextmanager
def told() -> Generator[None]:
    """Whatever Argus raises on purpose inside the block is told, and the command exits with 1."""
    from argus_core.errors import ArgusError, ConfigError

    try:
        yield
    except ConfigError as error:
        tell(error.message, where=error.where, fix=error.fix)
        raise typer.Exit(1) from None
    except ArgusError as error:
        tell(error.message)
        raise typer.Exit(1) from None
