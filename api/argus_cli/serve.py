"""``argus serve``: answer questions over HTTP until told to stop."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from argus_cli.options import (
    DEFAULT_CONFIG,
    AccessLogOption,
    ConfigOption,
    HostOption,
    PortOption,
)
from argus_cli.trouble import told


def serve(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    host: HostOption = None,
    port: PortOption = None,
    access_log: AccessLogOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=256,
            help="Edge processes in front of one agent that holds all sessions; 0: one process.",
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no source: answer from what lies on the disk.")
    ] = False,
) -> None:
    """Serve the sources of a configuration file."""
    with told():
        from argus_core.config import Config

        loaded = Config.load(config, os.environ)
        loaded = loaded.with_server(host=host, port=port, workers=workers)
        if loaded.server.workers:
            from argus_cli.processes.supervisor import supervise

            supervise(loaded, offline=offline, access_log=access_log)
            return
        from argus_cli.server import run
        from argus_core.gateway import Gateway

        run(Gateway(loaded, offline=offline), access_log=access_log)
