"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("plugins.toml")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)
]
HostOption = Annotated[
    str | None, typer.Option(help="Address to listen on; overrides the file and ARGUS_HOST.")
]
PortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port, 0 for a free one; overrides the file and ARGUS_PORT."
    ),
]
AccessLogOption = Annotated[
    bool, typer.Option("--access-log", help="Write a line for each request to stderr.")
]
