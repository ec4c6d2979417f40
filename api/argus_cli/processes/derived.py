"""The configuration of an edge: the operator's face, one source behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from argus_cli.processes.words import Door
from argus_core.config import Config, PluginTable, SourceTable
from argus_core.plugins import Plugins
from argus_core.routes import Routes

AGENT = "agent"
_KEY = "the key to the agent's door"
"""Where the key stands in the environment of the configuration, not in that of the process."""


def edge_config(config: Config, door: Door, private: Path, *, offline: bool = False) -> Config:
    """The same server, authentication and rules; everything else is asked of the agent.

    Of the tiers only those in the process' own memory stay: what several processes share, the
    agent shares with all of its edges already.
    """
    return config.model_copy(
        update={
            "sources": {AGENT: SourceTable.model_validate(_remote(door))},
            "pools": {},
            "routes": Routes(default=(AGENT,)),
            "caches": _own(config),
            "history": None,
            "warmup": None,
            "alerters": {},
            "private_dir": private,
            "environ": {**config.environ, _KEY: door.key},
            "inner": frozenset({AGENT}),
            "offline": offline,
        }
    )


def face(config: Config) -> Any:
    """What of a configuration an edge depends on and a reload may change: then edges begin anew."""
    return config.auth, config.cache_rules


def _remote(door: Door) -> dict[str, Any]:
    way = {"url": door.url} if door.socket is None else {"socket": door.socket}
    return {
        "plugin": "remote",
        **way,
        "key": {"env": _KEY},
        "simulated": "as_told",
    }


def _own(config: Config) -> dict[str, PluginTable]:
    plugins = Plugins()
    kept: dict[str, PluginTable] = {}
    for name, table in config.caches.items():
        cls = plugins.load("cache", table.plugin, f"{config.where}, [caches.{name}]")
        if cls.instant:
            kept[name] = table
    return kept
