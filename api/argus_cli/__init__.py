"""The ``argus`` command. Each subcommand is a module; heavy imports wait until one runs."""

from __future__ import annotations

from typing import Annotated

import typer

from argus_cli.cache import cache
from argus_cli.check import check
from argus_cli.demo import demo
from argus_cli.history import history
from argus_cli.keys import keys
from argus_cli.plugin import plugin
from argus_cli.plugins import plugins
from argus_cli.reconcile import reconcile
from argus_cli.record import record
from argus_cli.reload import reload
from argus_cli.serve import serve

app = typer.Typer(
    name="argus",
    help="Argus: a market-data gateway for the Chinese markets.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables would show tokens; an ordinary one does not.
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(demo)
app.command()(check)
app.command()(plugins)
app.command()(reconcile)
app.command()(record)
app.command()(reload)
app.add_typer(cache)
app.add_typer(history)
app.add_typer(keys)
app.add_typer(plugin)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag's value
    if wanted:
        from argus_core import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    app(prog_name="argus")
