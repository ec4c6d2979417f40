"""From a checked configuration to live parts: the only place that builds plugins' classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from argus_core.caching.level import Level
from argus_core.clock import Clock
from argus_core.config import Config, PluginTable, PoolTable, SourceTable
from argus_core.errors import ConfigError, PluginError
from argus_core.extend.authenticator import Authenticator
from argus_core.extend.balancer import timed
from argus_core.extend.cache import Cache
from argus_core.extend.source import Source
from argus_core.plugins import Plugins, read_settings
from argus_core.routing.load.gate import Gate
from argus_core.routing.merit import Merits
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool, RouteTable
from argus_core.routing.quota.daybook import Daybook, Owner
from argus_core.routing.quota.identity import identity_of
from argus_core.routing.workers.isolated import isolated
from argus_core.routing.workers.protocol import Start
from argus_core.routing.workers.terms import terms_of
from argus_core.tables import PoolLimits
from argus_core.telemetry.alerts import Alerts
from argus_core.telemetry.redact import Redactor
from argus_core.telemetry.secrets import Secrets

Recipe = tuple[str, str]
"""The kind and the name of a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a gateway runs on, built and wired, nothing opened yet."""

    nodes: dict[str, Node]
    routes: RouteTable
    merits: Merits
    levels: tuple[Level, ...]
    carrier: Cache | None
    """The tier over which gateways tell one another what is pushed, if there is one."""
    authenticators: tuple[Authenticator, ...]
    alerts: Alerts
    plugins: Plugins
    secrets: frozenset[str]
    daybook: Daybook
    recipes: Mapping[Recipe, object]
    """What sources, pools and authenticators were made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What operators said at run time about the sources of a configuration."""

    closed: frozenset[str] = frozenset()
    """Sources that are switched off: built, not opened."""
    barred: Mapping[str, str] = field(default_factory=dict[str, str])
    """Sources that must not be connected to, and why."""


NO_ORDERS = Orders()


def assemble(
    config: Config,
    *,
    clock: Clock,
    random: Random,
    before: Parts | None = None,
    orders: Orders = NO_ORDERS,
    again: bool = False,
) -> Parts:
    """The parts that ``config`` describes; :class:`ConfigError` says what cannot be built.

    Of ``before``, whatever would be made of the same is in the new parts too, as it is; tiers and
    alerters always are, those of ``config`` are only checked. A source that did not open is made
    anew only if ``again``: checks open it meanwhile, and no other change should wait for it.
    """
    builder = _Builder(config, clock, random, before, orders, again=again)
    if before is None:
        alerts = Alerts(tuple(builder.each("alerter", "alerters", config.alerters)), clock)
        levels = tuple(builder.levels())
    else:
        alerts, levels = before.alerts, before.levels
        builder.check("cache", "caches", config.caches)
        builder.check("alerter", "alerters", config.alerters)
    nodes = builder.nodes(alerts)
    speaking = (level.cache for level in levels if level.cache.speaks())
    carrier = next(speaking, None) if config.stream.fanout else None
    for node in nodes.values():
        if node.source.relays:
            node.source.carrier = carrier
    pools = builder.pools(nodes)
    merits = before.merits if before else Merits(clock)
    routes = RouteTable(config.routes, pools, merits.ordered)
    _refuse_mixed_routes(routes, config.where)
    return Parts(
        nodes=nodes,
        routes=routes,
        merits=merits,
        levels=levels,
        carrier=carrier,
        authenticators=tuple(builder.authenticators()),
        alerts=alerts,
        plugins=builder.plugins,
        secrets=frozenset(builder.secrets.known),
        daybook=builder.daybook,
        recipes=builder.recipes,
    )


class _Builder:
    def __init__(
        self,
        config: Config,
        clock: Clock,
        random: Random,
        before: Parts | None,
        orders: Orders,
        *,
        again: bool,
    ) -> None:
        self.again = again
        self.config = config
        self.clock = clock
        self.random = random
        self.before = before
        self.orders = orders
        self.plugins = before.plugins if before else Plugins()
        self.daybook = before.daybook if before else Daybook()
        self.secrets = Secrets(config.environ, config.directory)
        self.secrets.known.update(before.secrets if before else ())
        self.recipes: dict[Recipe, object] = {}

    def known(self, kind: str, name: str, recipe: object) -> bool:
        """True if what stands under ``name`` already was made of the same; notes the recipe."""
        self.recipes[kind, name] = recipe
        return self.before is not None and self.before.recipes.get((kind, name)) == recipe

    def check(self, kind: str, table: str, tables: Mapping[str, PluginTable]) -> None:
        """Raise :class:`ConfigError` if a table ``[table.NAME]`` could not be used."""
        for name, entry in tables.items():
            where = f"{self.config.where}, [{table}.{name}]"
            cls = self.plugins.load(kind, entry.plugin, where)
            read_settings(cls, entry.settings, where=where, secrets=self.secrets)

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
            plugin = self.config.caches[cache.name].plugin
            fit = Redactor(self.secrets.known).foreign
            yield Level(number, cache, plugin, self.clock, fit)

    def make(self, cls: type[Any], name: str, table: Mapping[str, Any], where: str) -> Any:
        settings = read_settings(cls, table, where=where, secrets=self.secrets)
        return self.built(cls, where, name, settings, self.clock)

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
                nodes[name] = self.node(name, table, where, alerts)
            except ConfigError as error:
                if table.required:
                    raise
                # The table asks for a visible gap rather than a refused start.
                absent = Node(Source(name, None, self.clock), plugin=table.plugin, clock=self.clock)
                absent.down = error.message
                nodes[name] = absent
        return nodes

    def node(self, name: str, table: SourceTable, where: str, alerts: Alerts) -> Node:
        """The node of one table: the one that is there if it is well and was made of the same."""
        if reason := self.orders.barred.get(name):
            raise ConfigError(reason, where=where)
        cls = self.plugins.load("source", table.plugin, where)
        terms = terms_of(table, cls, where)
        if terms is not None and cls.replaying is not None:
            # A worker would tell too late that what it says is out of a recorded day.
            raise ConfigError(
                f"{table.plugin} plays a recorded day, and does so in the gateway's own process",
                where=where,
                fix="leave isolation out",
            )
        settings = read_settings(cls, table.settings, where=where, secrets=self.secrets)
        closed = name in self.orders.closed
        same = self.known("source", name, (cls, settings, terms, closed))
        if same and self.before:
            node = self.before.nodes[name]
            if node.down is None or (node.reopens and not self.again):
                return node
        if terms is None:
            source: Source = self.built(cls, where, name, settings, self.clock)
        else:
            start = Start(
                name=name,
                plugin=table.plugin,
                where=where,
                table=self.secrets.looked_up(table.settings, cls.Settings, where),
                beat=terms.beat,
                heartbeat_lost=terms.heartbeat_lost,
                directory=str(self.config.directory),
            )
            source = isolated(cls)(
                start,
                settings,
                self.clock,
                limits=terms,
                secrets=self.secrets.known,
                random=Random(self.random.getrandbits(64)),
                tell=alerts.tell,
            )
        page = self.daybook.page(Owner(name, identity_of(table.plugin, settings)))
        return Node(source, plugin=table.plugin, clock=self.clock, tell=alerts.tell, page=page)

    def pools(self, nodes: Mapping[str, Node]) -> dict[str, Pool]:
        pools = {name: self.pool(name, (Member(node),), None) for name, node in nodes.items()}
        for name, table in self.config.pools.items():
            members = tuple(
                Member(nodes[member], table.weights.get(member, 1.0))
                for member in table.sources
                if member in nodes
            )
            pools[name] = self.pool(name, members, table)
        for name in self.config.sources:
            # A disabled source stays a name that routes may hold; it has nobody to ask.
            pools.setdefault(name, Pool(name, ()))
        return pools

    def pool(self, name: str, members: tuple[Member, ...], table: PoolTable | None) -> Pool:
        """The pool of a table, or of a lone source: the one that is there if nothing changed."""
        there = self.before.routes.pools.get(name) if self.before else None
        same = self.known("pool", name, table or self.config.pool_limits)
        balancer = None
        if table is not None and table.balancer is not None:
            where = f"{self.config.where}, [pools.{name}]"
            cls = self.plugins.load("balancer", table.balancer, where)
            if self.known("balancer", name, cls) and there is not None:
                balancer = there.balancer
            else:
                made = self.built(cls, where, Random(self.random.getrandbits(64)))
                balancer = timed(made, self.clock)
        if there is not None and same and there.members == members:
            return there
        return Pool(name, members, balancer, self.gate(name, members, table, there))

    def gate(
        self, name: str, members: tuple[Member, ...], table: PoolTable | None, there: Pool | None
    ) -> Gate:
        """The gate of a pool: the one that is there if its limits are the same."""
        if table is not None:
            limits = PoolLimits(**{key: getattr(table, key) for key in PoolLimits.model_fields})
        else:
            sources = [member.node.source for member in members]
            size = sum(source.max_concurrency for source in sources)
            if any(source.metered for source in sources):
                # Who waits for a quota waits at its desk: there he is merged with his like, and
                # not in the way of questions that take nothing of it.
                size += self.config.pool_limits.max_waiting
            limits = self.config.pool_limits.fixed(size)
        if there is not None and there.gate is not None and there.gate.limits == limits:
            return there.gate
        return Gate(name, limits, self.clock)

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
            table, place = self.config.auth.settings(name), self.config.server.data_dir
            settings = read_settings(cls, table, where=where, secrets=self.secrets)
            if self.known("authenticator", name, (cls, settings, place)) and self.before:
                yield next(known for known in self.before.authenticators if known.name == name)
            else:
                yield self.built(cls, where, name, settings, self.clock, place)


def _refuse_mixed_routes(routes: RouteTable, where: str) -> None:
    """Invented and live data never stand in one route: a failover would mix them."""
    for key, pools in routes.every():
        nodes = [member.node for pool in pools for member in pool.members]
        told = [n.name for n in nodes if n.source.as_told]
        if told and len(told) < len(nodes):
            others = ", ".join(n.name for n in nodes if not n.source.as_told)
            raise ConfigError(
                f"the route mixes {', '.join(told)}, of which only the answers tell whether they "
                f"are simulated, with {others}",
                where=f"{where}, [routes] {key}",
                fix="give them separate routes, or say `simulated = true` or `false` of each",
            )
        _refuse_mixed_days(nodes, f"{where}, [routes] {key}")
        simulated = [n.name for n in nodes if n.source.simulated]
        live = [n.name for n in nodes if not n.source.simulated]
        if simulated and live:
            raise ConfigError(
                f"the route mixes simulated data ({', '.join(simulated)}) "
                f"with live data ({', '.join(live)})",
                where=f"{where}, [routes] {key}",
                fix="give them separate routes, or disable one of them",
            )


def _refuse_mixed_days(nodes: Sequence[Node], where: str) -> None:
    """A recorded day stands in one route only with the same day, played at the same speed."""
    days: dict[str, list[str]] = {}
    for node in nodes:
        replay = node.source.replaying
        what = "simulated data" if node.source.simulated else "live data"
        if replay is not None:
            what = f"{replay['day']} at {replay['speed']:g}x"
        days.setdefault(what, []).append(node.name)
    if len(days) > 1 and any(node.source.replaying is not None for node in nodes):
        told = ", ".join(f"{what} ({', '.join(names)})" for what, names in days.items())
        raise ConfigError(
            f"the route mixes a recorded day with other data: {told}",
            where=where,
            fix="give them separate routes, or disable all but one of them",
        )
