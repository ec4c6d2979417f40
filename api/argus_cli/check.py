"""``argus check``: does the configuration work, part by part?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from argus_cli.options import DEFAULT_CONFIG, ConfigOption
from argus_cli.trouble import tell, told

if TYPE_CHECKING:
    from argus_core.checks import Check


def check(*, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Validate, import, open and ask every configured part; exit 1 on trouble."""
    with told():
        from argus_core.gateway import Gateway

        results = asyncio.run(Gateway.from_toml(config, os.environ).check())
    _show(results)
    failed = [result for result in results if not result.ok]
    for result in failed:
        typer.echo(err=True)
        tell(result.message, where=result.where or f"{result.kind} {result.name}", fix=result.fix)
    if failed:
        raise typer.Exit(1)


def _show(results: Sequence[Check]) -> None:
    from argus_cli.console import output, table, verdict

    console = output()
    console.print(
        table(
            ("", "part", "name", "plugin", "seconds", "finding"),
            (
                (
                    verdict(console, ok=result.ok),
                    result.kind,
                    result.name,
                    result.plugin,
                    f"{result.seconds:.2f}",
                    result.message,
                )
                for result in results
            ),
            wrapping={"finding"},
        )
    )
