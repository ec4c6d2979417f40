"""plugins.toml, read and checked before anything is imported or opened.

Names are checked against each other here; what a plugin's own table may hold is checked by the
plugin's ``Settings`` once it is loaded (:mod:`argus_core.plugins`).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, Field

from argus_core.cache_tables import DEFAULT_RULES, TIERS, CacheRule, rules_of
from argus_core.environment import default_ttl, pool_defaults, pool_variables, server_keys
from argus_core.errors import ConfigError
from argus_core.plugin_tables import AuthTable, PluginTable, PoolTable, SourceTable
from argus_core.routes import Routes
from argus_core.stream_table import StreamTable
from argus_core.tables import (
    LONGEST_NAME,
    HistoryTable,
    PoolLimits,
    ServerNodesTable,
    ServerTable,
    Table,
    WarmupTable,
    unfit,
)
from argus_core.telemetry.mistakes import as_table, made, nearest, unknown
from argus_core.telemetry.secrets import Secrets

__all__ = ["AuthTable", "Config", "PluginTable", "PoolTable", "ServerTable", "SourceTable"]

_NAMED = ("sources", "pools", "caches", "alerters")
_LONE = ("server", "auth", "routes", "cache_rules", "history", "warmup", "stream", "server_nodes")

TABLES = (*_LONE, *_NAMED)
"""What may stand at the top level of the file."""


class Config(Table):
    """A whole configuration whose names agree with each other."""

    server: ServerTable = Field(default_factory=ServerTable)
    auth: AuthTable = Field(default_factory=AuthTable)
    sources: dict[str, SourceTable] = Field(default_factory=dict)
    pools: dict[str, PoolTable] = Field(default_factory=dict)
    routes: Routes = Routes()
    caches: dict[str, PluginTable] = Field(default_factory=dict)
    cache_rules: dict[str, CacheRule] = Field(default_factory=lambda: dict(DEFAULT_RULES))
    history: HistoryTable | None = None
    warmup: WarmupTable | None = None
    stream: StreamTable = Field(default_factory=StreamTable)
    alerters: dict[str, PluginTable] = Field(default_factory=dict)
    server_nodes: ServerNodesTable = Field(default_factory=ServerNodesTable)
    server_nodes_key: Any = Field(default=None, repr=False)
    """Where the key of ``server_nodes`` is looked up, as the file has it."""
    pool_limits: PoolLimits = Field(default_factory=PoolLimits)
    """The limits of a lone source, and of what a pool's own table leaves out."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Keys of ``[server]`` that the command line set; they outlive a reload."""
    path: Path | None = None
    """The file that this was read from, None if it was made otherwise."""
    inner: frozenset[str] = frozenset()
    """Sources that are another process of this same Argus, of which no answer needs to tell."""
    offline: bool = False
    """Whether that other process asks nobody: answers that owe it nothing say so all the same."""
    private_dir: Path | None = None
    """Where one of several processes keeps its state apart; None: in the server's `data_dir`."""
    where: str = "plugins.toml"
    directory: Path = Path()
    environ: Mapping[str, str] = Field(default_factory=dict, repr=False)

    @classmethod
    def load(
        cls, path: Path, environ: Mapping[str, str] = os.environ, *, text: str | None = None
    ) -> Config:
        """The configuration in a TOML file; :class:`ConfigError` says what is wrong with it.

        ``text`` is what stood in the file when it was read, if that has happened already.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8") if text is None else text)
        except FileNotFoundError:
            raise ConfigError(
                "there is no configuration file",
                where=str(path),
                fix="name one with --config, or try `argus demo`, which needs none",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the file cannot be read: {type(error).__name__}", where=str(path)
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"not valid TOML: {error}", where=str(path)) from None
        config = cls.parse(table, environ, where=str(path), directory=path.parent)
        if config.history is not None:
            place = path.parent / config.history.path
            history = config.history.model_copy(update={"path": place})
            config = config.model_copy(update={"history": history})
        place = path.parent / config.server.data_dir
        server = config.server.model_copy(update={"data_dir": place})
        return config.model_copy(update={"server": server, "path": path})

    def again(self) -> Config:
        """The same file read anew, under the same command line and environment."""
        if self.path is None:
            raise ConfigError(
                "there is no configuration file to read again",
                where=self.where,
                fix="start with `argus serve --config plugins.toml`",
            )
        return Config.load(self.path, self.environ).with_server(**self.overrides)

    @classmethod
    def parse(
        cls,
        table: Mapping[str, Any],
        environ: Mapping[str, str],
        where: str = "plugins.toml",
        directory: Path = Path(),
    ) -> Config:
        """The configuration in a mapping shaped like plugins.toml.

        ``directory`` is where the relative paths of secret files start.
        """
        given = _tables(table, where)
        server = {**given.get("server", {}), **server_keys(environ)}
        config = cls(
            server=made(ServerTable, server, f"{where}, [server]"),
            auth=made(AuthTable, given.get("auth", {}), f"{where}, [auth]"),
            sources=_each(SourceTable, given, "sources", where),
            pools=_pools(given, environ, where),
            pool_limits=PoolLimits(**pool_defaults(environ)),
            server_nodes=_server_nodes(given, Secrets(environ, directory), where),
            server_nodes_key=given.get("server_nodes", {}).get("key"),
            routes=Routes.parse(given.get("routes", {}), where),
            caches=_caches(given, where),
            cache_rules=_cache_rules(given, environ, where),
            history=_one(HistoryTable, given, "history", where),
            warmup=_one(WarmupTable, given, "warmup", where),
            stream=made(StreamTable, given.get("stream", {}), f"{where}, [stream]"),
            alerters=_each(PluginTable, given, "alerters", where),
            where=where,
            directory=directory,
            environ=environ,
        )
        return _checked(_with_default_route(config))

    def with_server(self, **changes: Any) -> Config:
        """The same configuration with some keys of ``[server]`` replaced."""
        given = {key: value for key, value in changes.items() if value is not None}
        server = made(ServerTable, {**self.server.model_dump(), **given}, "the command line")
        return self.model_copy(update={"server": server, "overrides": {**self.overrides, **given}})

    @property
    def state_dir(self) -> Path:
        """The directory of what this process keeps for itself, other than tiers and archive."""
        return self.private_dir or self.server.data_dir

    @property
    def enabled(self) -> dict[str, SourceTable]:
        """The sources that are switched on."""
        return {name: table for name, table in self.sources.items() if table.enabled}


_Model = TypeVar("_Model", bound=BaseModel)


def _tables(table: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """The top level of the file, where each key is a table that the core knows."""
    for key in table:
        if key not in TABLES:
            fix = "known tables: " + ", ".join(TABLES)
            raise ConfigError(unknown(key, TABLES), where=where, fix=fix)
    return {key: as_table(value, f"{where}, [{key}]") for key, value in table.items()}


def _each(
    kind: type[_Model], given: Mapping[str, dict[str, Any]], section: str, where: str
) -> dict[str, _Model]:
    """The tables ``[section.NAME]``, by name."""
    tables: dict[str, _Model] = {}
    for name, value in given.get(section, {}).items():
        if trouble := unfit(name):
            raise ConfigError(
                f"the name {name[:LONGEST_NAME]!r} {trouble}",
                where=f"{where}, [{section}]",
                fix="rename it: answers, logs and metrics carry this name",
            )
        tables[name] = made(kind, value, f"{where}, [{section}.{name}]")
    return tables


def _caches(given: Mapping[str, dict[str, Any]], where: str) -> dict[str, PluginTable]:
    """The tables ``[caches.NAME]``, by name: no more than there are tiers."""
    tables = _each(PluginTable, given, "caches", where)
    if extra := list(tables)[len(TIERS) :]:
        raise ConfigError(
            f"there are {len(tables)} caches, and {len(TIERS)} tiers at most: "
            f"nothing would ever be written to {', '.join(map(repr, extra))}",
            where=f"{where}, [caches.{extra[0]}]",
            fix=f"keep {len(TIERS)} tables: in the order of the file they are {', '.join(TIERS)}",
        )
    return tables


def _one(
    kind: type[_Model], given: Mapping[str, dict[str, Any]], section: str, where: str
) -> _Model | None:
    """The table ``[section]``, ``None`` where the file has none."""
    return made(kind, given[section], f"{where}, [{section}]") if section in given else None


def _pools(
    given: Mapping[str, dict[str, Any]], environ: Mapping[str, str], where: str
) -> dict[str, PoolTable]:
    """The tables ``[pools.NAME]``, by name, over the defaults of the environment."""
    defaults = pool_defaults(environ)
    if defaults:
        where += f", with {pool_variables(environ)} of the environment"
    merged: dict[str, Any] = dict(given.get("pools", {}))
    for name, table in merged.items():
        if isinstance(table, dict):
            merged[name] = {**defaults, **cast("dict[str, Any]", table)}
    return _each(PoolTable, {"pools": merged}, "pools", where)


def _server_nodes(
    given: Mapping[str, dict[str, Any]], secrets: Secrets, where: str
) -> ServerNodesTable:
    """The table without its key: a reference, which is looked up where a node is made."""
    place = f"{where}, [server_nodes]"
    table = dict(given.get("server_nodes", {}))
    key = table.pop("key", None)
    if not isinstance(key, dict | None):
        secrets.looked_up({"key": key}, ServerNodesTable, place)  # says that it must be one
    return made(ServerNodesTable, table, place)


def _cache_rules(
    given: Mapping[str, dict[str, Any]], environ: Mapping[str, str], where: str
) -> dict[str, CacheRule]:
    """The rule of each group of datasets: the defaults, with what the operator says instead."""
    tables = given.get("cache_rules", {})
    for name, table in tables.items():
        place = f"{where}, [cache_rules.{name}]"
        if name not in DEFAULT_RULES:
            fix = "name a rule: " + ", ".join(DEFAULT_RULES)
            raise ConfigError(unknown(name, list(DEFAULT_RULES)), where=place, fix=fix)
        as_table(table, place)
    merged = rules_of(tables, default_ttl(environ))
    return {
        name: made(CacheRule, table, f"{where}, [cache_rules.{name}]")
        for name, table in merged.items()
    }


def _with_default_route(config: Config) -> Config:
    """Without a default route, every pool and lone source in written order is one."""
    if config.routes.default:
        return config
    pooled = {name for pool in config.pools.values() for name in pool.sources}
    order = (*config.pools, *(name for name in config.enabled if name not in pooled))
    routes = config.routes.model_copy(update={"default": order, "derived": True})
    return config.model_copy(update={"routes": routes})


def _checked(config: Config) -> Config:
    """The configuration itself, if all names in it agree."""
    for name in config.pools:
        if name in config.sources:
            raise ConfigError(
                f"{name!r} names both a source and a pool",
                where=f"{config.where}, [pools.{name}]",
                fix="rename one: routes must be able to tell them apart",
            )
    for name, pool in config.pools.items():
        for member in pool.sources:
            _known(member, config.sources, f"{config.where}, [pools.{name}] sources")
    for key, pools in config.routes.all_routes():
        for name in pools:
            _known(name, [*config.sources, *config.pools], f"{config.where}, [routes] {key}")
    return config


def _known(name: str, names: Iterable[str], where: str) -> None:
    names = list(names)
    if name not in names:
        raise ConfigError(
            f"{name!r} is neither a source nor a pool" + nearest(name, names),
            where=where,
            fix="defined names: " + (", ".join(names) or "none"),
        )
