"""``argus plugin``: write a plugin of your own and put it to the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from argus_cli.conformance import test
from argus_cli.trouble import told

KINDS = ("source", "cache", "balancer", "authenticator", "alerter")
"""The kinds that can be made; the core's table of them is heavy, and a test compares the two."""

plugin = typer.Typer(
    name="plugin", help="Write a plugin of your own and put it to the proof.", no_args_is_help=True
)


def _kind(text: str) -> str:
    kind = {"auth": "authenticator"}.get(text, text)
    if kind not in KINDS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(KINDS)}")
    return kind


@plugin.command()
def new(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The plugin's name: lower-case words and digits, joined by -."
        ),
    ],
    *,
    kind: Annotated[
        str, typer.Option(parser=_kind, metavar="|".join(KINDS), help="What it is to be.")
    ] = KINDS[0],
    directory: Annotated[
        Path, typer.Option(help="Where the folder argus-NAME is put; made if it is not there.")
    ] = Path(),
) -> None:
    """Make a distribution argus-NAME: a plugin that works, its tests and its packaging.

    The tests pass as they are. What stands for a vendor is invented and says so.
    """
    with told():
        from argus_cli.scaffold import Names, write

        names = Names.of(name)
        folder = write(names, kind, directory)
    typer.echo(f"Made {folder}: {_article(kind)} {kind} with its tests. Next:\n")
    for line in (
        f'cd "{folder}"' if " " in str(folder) else f"cd {folder}",
        'pip install -e ".[test]"',
        "pytest",
        f"argus plugin test {names.name}",
    ):
        typer.echo(f"  {line}")
    typer.echo("\nIts README.md says what to replace.")


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


plugin.command()(test)
