"""A subject as a configuration describes it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from argus_core.config import Config, PluginTable
from argus_core.errors import ConfigError
from argus_core.market.symbols import parse_symbol
from argus_core.plugins import read_settings
from argus_core.telemetry.secrets import Secrets
from argus_core.testing.find import Found, find
from argus_core.testing.subject import Subject


def configured(
    plugin: str,
    *,
    config: Path | None = None,
    symbols: Iterable[str] = (),
    start: date | None = None,
    end: date | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Subject:
    """The installed plugin with the settings of the first table that names it.

    Without a file, or without such a table, the settings are the defaults. :class:`ConfigError`
    says which keys are missing then. ``symbols`` may be spelled in any usual way.
    """
    found = find(plugin)
    subject = Subject(
        plugin=plugin,
        kind=found.kind,
        cls=found.cls,
        module=found.module,
        settings={} if config is None else _settings(found, Config.load(config, environ)),
        symbols=tuple(parse_symbol(text) for text in symbols),
        start=start,
        end=end,
    )
    if hasattr(found.cls, "Settings"):
        _ = subject.model  # what is missing is said at once, not once for each check
    if start is not None and end is not None and start > end:
        raise ConfigError(f"the start {start} lies after the end {end}")
    return subject


def _settings(found: Found, config: Config) -> Mapping[str, Any] | BaseModel:
    """The settings of the first table of the file that names the plugin."""
    where, table = _table(found, config)
    secrets = Secrets(config.environ, config.directory)
    if table is None:
        return {}
    return read_settings(found.cls, table, where=f"{config.where}, [{where}]", secrets=secrets)


def _table(found: Found, config: Config) -> tuple[str, Mapping[str, Any] | None]:
    """The first table that names the plugin, and what that table is called."""
    sections: tuple[tuple[str, str, Mapping[str, PluginTable]], ...] = (
        ("source", "sources", config.sources),
        ("cache", "caches", config.caches),
        ("alerter", "alerters", config.alerters),
    )
    for kind, section, tables in sections:
        for name, table in tables.items():
            if kind == found.kind and table.plugin == found.name:
                return f"{section}.{name}", table.settings
    if found.kind == "authenticator" and found.name in config.auth.plugins:
        return f"auth.{found.name}", config.auth.settings(found.name)
    return "", None
