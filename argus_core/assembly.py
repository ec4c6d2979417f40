"""From a checked configuration to live parts: the only place that builds plugins' classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from argus_core.caching.level import Level
from argus_core.clock import Clock
from argus_core.config import Config, PluginTable, SourceTable
from argus_core.errors import ConfigError, PluginError
from argus_core.extend.authenticator import Authenticator
from argus_core.extend.balancer import timed
from argus_core.extend.source import Source
from argus_core.plugins import Plugins, read_settings
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool, RouteTable
from argus_core.routing.workers.isolated import isolated
from argus_core.routing.workers.protocol import Start
from argus_core.routing.workers.terms import terms_of
from argus_core.telemetry.alerts import Alerts
from argus_core.telemetry.redact import Redactor
from argus_core.telemetry.secrets import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a gateway runs on, built and wired, nothing opened yet."""

    nodes: Mapping[str, Node]
    routes: RouteTable
    levels: tuple[Level, ...]
    authenticators: tuple[Authenticator, ...]
    alerts: Alerts
    plugins: Plugins
    secrets: frozenset[str]


def assemble(config: Config, *, clock: Clock, random: Random) -> Parts:
    """The parts that ``config`` describes; :class:`ConfigError` says what cannot be built."""
    builder = _Builder(config, clock, random)
    alerts = Alerts(tuple(builder.each("alerter", "alerters", config.alerters)), clock)
    nodes = builder.nodes(alerts)
    pools = builder.pools(nodes)
    routes = RouteTable(config.routes, pools)
    _refuse_mixed_routes(routes, config.where)
    return Parts(
        nodes=nodes,
        routes=routes,
        levels=tuple(builder.levels()),
        authenticators=tuple(builder.authenticators()),
        alerts=alerts,
        plugins=builder.plugins,
        secrets=frozenset(builder.secrets.known),
    )


class _Builder:
    def __init__(self, config: Config, clock: Clock, random: Random) -> None:
        self.config = config
        self.clock = clock
        self.random = random
        self.plugins = Plugins()
        self.secrets = Secrets(config.environ, config.directory)

    def each(self, kind: str, table: str, tables: Mapping[str, PluginTable]) -> Iterable[Any]:
        """One instance per table ``[table.NAME]``."""
        for name, entry in tables.items():
            where = f"{self.config.where}, [{table}.{name}]"
            cls = self.plugins.load(kind, entry.plugin, where)
            yield self.make(cls, name, entry.settings, where)

    def levels(self) -> Iterable[Level]:
        """The cache tiers in the order of the file."""
        caches = self.each("cache", "caches", self.config.caches)
        for number, cache in enumerate(caches, 1):
            yield Level(number, cache, self.config.caches[cache.name].plugin, self.clock)

    def make(self, cls: type[Any], name: str, table: Mapping[str, Any], where: str) -> Any:
        settings = read_settings(cls, table, where=where, secrets=self.secrets)
        extra: tuple[Path, ...] = ()
        if issubclass(cls, Authenticator):
            extra = (self.config.server.data_dir,)
        return self.built(cls, where, name, settings, self.clock, *extra)

    def built(self, cls: type[Any], where: str, *arguments: object) -> Any:
        """An instance of a plugin's class; what its constructor raises tells no secret."""
        try:
            return cls(*arguments)
        except ConfigError as error:
            raise self.secrets.redacted(error) from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told as a PluginError
            text = str(error)
            clean = Redactor(self.secrets.known).foreign(text)
            # The chain shows the plugin's author the line, but it also prints the message.
            raise PluginError(
                f"{cls.__name__} cannot be made: {type(error).__name__}: {clean}", where=where
            ) from (error if clean == text else None)

    def nodes(self, alerts: Alerts) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for name, table in self.config.enabled.items():
            where = f"{self.config.where}, [sources.{name}]"
            try:
                cls = self.plugins.load("source", table.plugin, where)
                source = self.source(cls, name, table, where, alerts)
                nodes[name] = Node(source, plugin=table.plugin, clock=self.clock, tell=alerts.tell)
            except ConfigError as error:
                if table.required:
                    raise
                # The table asks for a visible gap rather than a refused start.
                absent = Node(Source(name, None, self.clock), plugin=table.plugin, clock=self.clock)
                absent.down = error.message
                nodes[name] = absent
        return nodes

    def source(
        self, cls: type[Source], name: str, table: SourceTable, where: str, alerts: Alerts
    ) -> Source:
        """The source of one table: an instance of the plugin's class, or its stand-in."""
        terms = terms_of(table, cls, where)
        if terms is None:
            source: Source = self.make(cls, name, table.settings, where)
            return source
        settings = read_settings(cls, table.settings, where=where, secrets=self.secrets)
        start = Start(
            name=name,
            plugin=table.plugin,
            where=where,
            table=self.secrets.looked_up(table.settings, cls.Settings, where),
            beat=terms.beat,
            heartbeat_lost=terms.heartbeat_lost,
            directory=str(self.config.directory),
        )
        return isolated(cls)(
            start,
            settings,
            self.clock,
            limits=terms,
            secrets=self.secrets.known,
            random=Random(self.random.getrandbits(64)),
            tell=alerts.tell,
        )

    def pools(self, nodes: Mapping[str, Node]) -> dict[str, Pool]:
        pools = {name: Pool(name, (Member(node),)) for name, node in nodes.items()}
        for name, table in self.config.pools.items():
            where = f"{self.config.where}, [pools.{name}]"
            members = tuple(
                Member(nodes[member], table.weights.get(member, 1.0))
                for member in table.sources
                if member in nodes
            )
            balancer = None
            if table.balancer is not None:
                cls = self.plugins.load("balancer", table.balancer, where)
                made = self.built(cls, where, Random(self.random.getrandbits(64)))
                balancer = timed(made, self.clock)
            pools[name] = Pool(name, members, balancer)
        for name in self.config.sources:
            # A disabled source stays a name that routes may hold; it has nobody to ask.
            pools.setdefault(name, Pool(name, ()))
        return pools

    def authenticators(self) -> Iterable[Authenticator]:
        for name in self.config.auth.plugins:
            where = f"{self.config.where}, [auth.{name}]"
            cls = self.plugins.load("authenticator", name, where)
            if cls.loopback_only and not self.config.server.loopback:
                raise ConfigError(
                    f"refusing to listen on {self.config.server.host} without authentication",
                    where=f"{self.config.where}, [server] host and [auth] plugins",
                    fix='set plugins = ["api_key"] under [auth], or listen on 127.0.0.1',
                )
            yield self.make(cls, name, self.config.auth.settings(name), where)


def _refuse_mixed_routes(routes: RouteTable, where: str) -> None:
    """Invented and live data never stand in one route: a failover would mix them."""
    for key, pools in routes.every():
        nodes = [member.node for pool in pools for member in pool.members]
        simulated = [n.name for n in nodes if n.source.simulated]
        live = [n.name for n in nodes if not n.source.simulated]
        if simulated and live:
            raise ConfigError(
                f"the route mixes simulated data ({', '.join(simulated)}) "
                f"with live data ({', '.join(live)})",
                where=f"{where}, [routes] {key}",
                fix="give them separate routes, or disable one of them",
            )
