"""plugins.toml, read and checked before anything is imported or opened.

Names are checked against each other here; what a plugin's own table may hold is checked by the
plugin's ``Settings`` once it is loaded (:mod:`argus_core.plugins`).
"""

from __future__ import annotations

import os
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from argus_core.errors import ConfigError
from argus_core.extend.isolation import Isolation
from argus_core.routes import Routes
from argus_core.tables import (
    DEFAULT_RULES,
    CacheRule,
    HistoryTable,
    Table,
    WarmupTable,
    rules_of,
)
from argus_core.telemetry.mistakes import as_table, made, nearest, unknown

_NAMED = ("sources", "pools", "caches", "alerters")
_LONGEST_NAME = 64
_ENVIRONMENT = {
    "ARGUS_HOST": "host",
    "QMT_DATA_AGENT_PORT": "port",
    "ARGUS_PORT": "port",
}
_DEFAULT_TTL = "CACHE_TTL_DEFAULT"


class PluginTable(BaseModel):
    """A table that names a plugin; the keys that the core does not know are the plugin's."""

    model_config = ConfigDict(extra="allow", frozen=True)

    plugin: str = Field(description="Name of the plugin, as `argus plugins` lists it.")

    @property
    def settings(self) -> dict[str, Any]:
        """The plugin's own keys, unchecked and with secrets not yet looked up."""
        return dict(self.model_extra or {})


class ServerTable(Table):
    """Where Argus listens and where it keeps its state."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8001, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    data_dir: Path = Field(
        default=Path("data"), description="Directory of state; relative to the file it stands in."
    )

    @property
    def loopback(self) -> bool:
        """True if only this machine can connect."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class AuthTable(BaseModel):
    """Which authenticators judge a request, in order; each may have a table of its own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    plugins: tuple[str, ...] = Field(
        default=("open",), min_length=1, description="Authenticator plugins, asked in this order."
    )

    def settings(self, name: str) -> dict[str, Any]:
        """The table ``[auth.NAME]``, unchecked."""
        return dict((self.model_extra or {}).get(name, {}))

    @model_validator(mode="after")
    def _only_named_tables(self) -> Self:
        for key, value in (self.model_extra or {}).items():
            if key not in self.plugins:
                raise ValueError(unknown(key, ["plugins", *self.plugins]))
            if not isinstance(value, dict):
                raise ValueError(f"{key} must be a table, [auth.{key}]")  # noqa: TRY004 - pydantic's
        return self


class SourceTable(Isolation, PluginTable):
    """One source: a vendor account, an SDK session."""

    enabled: bool = Field(
        default=True, description="False: the table is kept, the plugin not imported."
    )
    required: bool = Field(
        default=True,
        description="False: if it cannot start, Argus starts without it and shows it down.",
    )


class PoolTable(Table):
    """Sources that can replace one another at once, and how to choose among them."""

    sources: tuple[str, ...] = Field(min_length=1, description="Names of the member sources.")
    balancer: str | None = Field(
        default=None, description="Balancer plugin; needed where the pool has several members."
    )
    weights: dict[str, float] = Field(
        default_factory=dict, description="Weight per member, 1 where absent."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if len(set(self.sources)) != len(self.sources):
            raise ValueError("a source stands twice in `sources`")
        if len(self.sources) > 1 and self.balancer is None:
            raise ValueError('several sources need a `balancer`, for example "round_robin"')
        for name, weight in self.weights.items():
            if name not in self.sources:
                raise ValueError(f"`weights` speaks of {name!r}, which is not in `sources`")
            if not 0 < weight <= 1000:  # noqa: PLR2004
                raise ValueError(f"the weight of {name!r} must be more than 0, at most 1000")
        return self


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
    alerters: dict[str, PluginTable] = Field(default_factory=dict)
    where: str = "plugins.toml"
    directory: Path = Path()
    environ: Mapping[str, str] = Field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, path: Path, environ: Mapping[str, str] = os.environ) -> Config:
        """The configuration in a TOML file; :class:`ConfigError` says what is wrong with it."""
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
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
        return config.with_server(data_dir=path.parent / config.server.data_dir)

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
        server = dict(given.get("server", {}))
        for variable, key in _ENVIRONMENT.items():
            if environ.get(variable):
                server[key] = environ[variable]
        config = cls(
            server=made(ServerTable, server, f"{where}, [server]"),
            auth=made(AuthTable, given.get("auth", {}), f"{where}, [auth]"),
            sources=_each(SourceTable, given, "sources", where),
            pools=_each(PoolTable, given, "pools", where),
            routes=Routes.parse(given.get("routes", {}), where),
            caches=_each(PluginTable, given, "caches", where),
            cache_rules=_cache_rules(given, environ, where),
            history=_one(HistoryTable, given, "history", where),
            warmup=_one(WarmupTable, given, "warmup", where),
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
        return self.model_copy(update={"server": server})

    @property
    def enabled(self) -> dict[str, SourceTable]:
        """The sources that are switched on."""
        return {name: table for name, table in self.sources.items() if table.enabled}


_Model = TypeVar("_Model", bound=BaseModel)


def _tables(table: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """The top level of the file, where each key is a table that the core knows."""
    known = ["server", "auth", "routes", "cache_rules", "history", "warmup", *_NAMED]
    for key in table:
        if key not in known:
            fix = "known tables: " + ", ".join(known)
            raise ConfigError(unknown(key, known), where=where, fix=fix)
    return {key: as_table(value, f"{where}, [{key}]") for key, value in table.items()}


def _each(
    kind: type[_Model], given: Mapping[str, dict[str, Any]], section: str, where: str
) -> dict[str, _Model]:
    """The tables ``[section.NAME]``, by name."""
    tables: dict[str, _Model] = {}
    for name, value in given.get(section, {}).items():
        if trouble := _unfit(name):
            raise ConfigError(
                f"the name {name[:_LONGEST_NAME]!r} {trouble}",
                where=f"{where}, [{section}]",
                fix="rename it: answers, logs and metrics carry this name",
            )
        tables[name] = made(kind, value, f"{where}, [{section}.{name}]")
    return tables


def _one(
    kind: type[_Model], given: Mapping[str, dict[str, Any]], section: str, where: str
) -> _Model | None:
    """The table ``[section]``, ``None`` where the file has none."""
    return made(kind, given[section], f"{where}, [{section}]") if section in given else None


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
    merged = rules_of(tables, _default_ttl(environ))
    return {
        name: made(CacheRule, table, f"{where}, [cache_rules.{name}]")
        for name, table in merged.items()
    }


def _default_ttl(environ: Mapping[str, str]) -> float | None:
    """The life of the latest data that the environment sets, if it does."""
    given = environ.get(_DEFAULT_TTL)
    if not given:
        return None
    rule = {**DEFAULT_RULES["LATEST_DATA"].model_dump(), "ttl": given}
    try:
        return made(CacheRule, rule, "the environment").ttl
    except ConfigError as error:
        raise ConfigError(
            f"{_DEFAULT_TTL}={given!r}: " + error.message.removeprefix("ttl: "),
            where="the environment",
            fix=f"give seconds, such as {_DEFAULT_TTL}=3, or unset it",
        ) from None


def _unfit(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if len(name) > _LONGEST_NAME:
        return f"is longer than {_LONGEST_NAME} characters"
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in name):
        return "holds a control character"
    return None


def _with_default_route(config: Config) -> Config:
    """Without a default route, every pool and lone source in written order is one."""
    if config.routes.default:
        return config
    pooled = {name for pool in config.pools.values() for name in pool.sources}
    order = (*config.pools, *(name for name in config.enabled if name not in pooled))
    return config.model_copy(update={"routes": config.routes.model_copy(update={"default": order})})


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
