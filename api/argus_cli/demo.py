"""``argus demo``: a server with simulated data, to look around without any account."""

from __future__ import annotations

import os
from typing import Any

import typer

from argus_cli.options import AccessLogOption, HostOption, PortOption
from argus_cli.trouble import told

CONFIG: dict[str, Any] = {
    "auth": {"plugins": ["open"]},
    "sources": {"demo": {"plugin": "demo"}},
    "caches": {"memory": {"plugin": "memory"}},
}
"""What plugins.toml would say."""

EXAMPLES = (
    "/health",
    "/api/v1/market_data/latest?symbols=600519.SH,000001.SZ",
    "/api/v1/market_data/full?symbols=600519.SH",
    "/api/v1/market_data/history?symbols=000001.SZ&start_date=2026-01-05&end_date=2026-01-16",
    "/latest_market?symbols=600519.SH",
)


def demo(
    *, host: HostOption = None, port: PortOption = None, access_log: AccessLogOption = False
) -> None:
    """Serve simulated data: no account, no configuration file."""
    with told():
        from argus_cli.server import run
        from argus_core.config import Config
        from argus_core.gateway import Gateway

        config = Config.parse(CONFIG, os.environ, where="argus demo")
        gateway = Gateway(config.with_server(host=host, port=port))
        run(gateway, access_log=access_log, ready=_introduce)


def _introduce(url: str) -> None:
    typer.secho(
        "All data are SIMULATED: invented prices for trying Argus, never for a decision.",
        fg=typer.colors.YELLOW,
        bold=True,
    )
    typer.echo("Try:")
    for path in EXAMPLES:
        typer.echo(f'  curl "{url}{path}"')
