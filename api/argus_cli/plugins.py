"""``argus plugins``: what is installed, and what the configuration makes of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argus_cli.options import DEFAULT_CONFIG
from argus_cli.trouble import told

if TYPE_CHECKING:
    from argus_core.config import Config
    from argus_core.plugins import Installed

_OURS = "argus-marketdata"
"""The distribution that this command came with."""


def plugins(
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help=f"The configuration file; {DEFAULT_CONFIG} if there is one."
        ),
    ] = None,
) -> None:
    """List the installed plugins, without importing any of them."""
    from argus_cli.console import output, table

    with told():
        from argus_core.plugins import installed

        uses = _uses(config)
        found = installed()
    headings = ["plugin", "kind", "from", "offers"]
    if uses is not None:
        headings.append("enabled as")
    console = output()
    # Table names stay whole on a narrow terminal; a pipe wants one line a plugin.
    between = "\n" if console.is_terminal else ", "
    rows = [
        [
            plugin.name,
            ", ".join(plugin.kinds) or ("unreadable" if plugin.error else "none"),
            _origin(plugin),
            plugin.error or ", ".join(plugin.offers) or "-",
            *([] if uses is None else [between.join(uses.get(plugin.name, ())) or "-"]),
        ]
        for plugin in found
    ]
    console.print(table(headings, rows, wrapping={"from", "offers"}))


def _origin(plugin: Installed) -> str:
    if plugin.distribution == _OURS:
        return "built in"
    return f"{plugin.distribution} {plugin.version}".strip()


def _uses(path: Path | None) -> Mapping[str, list[str]] | None:
    """Where each plugin is named; ``None`` without a configuration, which is no error here."""
    from argus_core.config import Config

    if path is None and not DEFAULT_CONFIG.exists():
        return None
    return _tables(Config.load(path or DEFAULT_CONFIG, os.environ))


def _tables(config: Config) -> Mapping[str, list[str]]:
    uses: dict[str, list[str]] = {}
    for kind, tables in (
        ("sources", config.enabled),
        ("caches", config.caches),
        ("alerters", config.alerters),
    ):
        for name, entry in tables.items():
            uses.setdefault(entry.plugin, []).append(f"[{kind}.{name}]")
    for name, pool in config.pools.items():
        if pool.balancer is not None:
            uses.setdefault(pool.balancer, []).append(f"[pools.{name}]")
    for name in config.auth.plugins:
        uses.setdefault(name, []).append("[auth]")
    return uses
