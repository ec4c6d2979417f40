"""Changing what is in force between two requests, without dropping one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random

from argus_core.assembly import Parts, assemble
from argus_core.clock import Clock
from argus_core.config import Config
from argus_core.control.addresses import Door, Resolve
from argus_core.control.bookkeeper import Bookkeeper
from argus_core.control.leads import leading, led
from argus_core.control.opening import Opened
from argus_core.control.overlay import RESTART, Led, Overlaid, Report, compared, overlay
from argus_core.control.quotas import QuotaTable
from argus_core.control.records import ServerNode, Stored
from argus_core.control.state import FILE, Stale, State
from argus_core.errors import ArgusError, ConfigError
from argus_core.routing.node import Node
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

log = logging.getLogger(__name__)

DRAIN = 30.0
"""Seconds that calls under way get to end before the source under them is closed."""
LOOK = 2.0
"""Seconds between two looks at what other processes changed."""
RESOLVE_AGAIN = 10
"""After so many looks, the names are looked up again of nodes that could not be connected to."""
_SOON = 0.02
_TRIES = 5

Edit = Callable[[Stored, Overlaid], Stored]
"""What is to be stored instead, given what is stored and in force; raises a caller's error."""
Applied = Callable[[Config], None]
"""Told of each configuration that has come into force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Something new, complete and open, that is not in force yet."""

    file: Config
    stored: Stored
    overlaid: Overlaid
    parts: Parts
    fresh: tuple[Node, ...]


class Control:
    """What is in force in one gateway. One change is made at a time; a failing one changes nothing.

    Everybody who knows the parts' nodes and routes goes on to: these two are changed in place.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        random: Random,
        offline: bool = False,
        resolve: Resolve | None = None,
    ) -> None:
        self.file = config
        """The configuration file as it is applied, without what was changed at run time."""
        self.stored = Stored()
        self.overlaid = overlay(config, self.stored, Led())
        self.parts = assemble(config, clock=clock, random=random)
        self.redactor = Redactor(self.parts.secrets)
        self.opened = Opened(self.redactor, self.parts.alerts.tell, offline=offline)
        self.state = State(config.state_dir / FILE, clock)
        self.books = Bookkeeper(self.parts.daybook, QuotaTable(self.state.path, clock))
        self.clock = clock
        self._random = random
        self._resolve = resolve
        self._door = self._door_of(config)
        self._lock = asyncio.Lock()
        self._drains: set[asyncio.Task[None]] = set()
        self._router: Router | None = None
        self._applied: Applied | None = None

    def attach(self, router: Router, applied: Applied) -> None:
        """Know whose fetches to wait for, and whom to tell of what has come into force."""
        self._router, self._applied = router, applied

    # -- life ---------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Lay what is stored over the file; nothing is open yet.

        What does not go together with the file any more is left out with a warning.
        """
        stored = await self.state.read()
        if not stored.generation:
            return
        attempts = (stored, replace(stored, routes={}), replace(stored, routes={}, pools={}))
        for number, attempt in enumerate(attempts):
            try:
                step = await self._built(self.file, attempt)
            except ConfigError as error:
                if number == len(attempts) - 1:
                    raise
                log.warning("what was changed at run time is not all in force: %s", error.message)
                continue
            self._swap(replace(step, stored=stored))
            return

    async def open(self) -> None:
        """Open every source that is not switched off; raises as :meth:`Opened.open_all` does."""
        await self.books.exchange()
        await self.opened.open_all(self._to_open(self.parts.nodes.values()), self.overlaid.config)
        self.books.start()

    async def watch(self) -> None:
        """Apply what other processes change, until cancelled."""
        looks, told = 0, ""
        while True:
            await asyncio.sleep(LOOK)
            looks += 1
            try:
                await self.look()
                if looks % RESOLVE_AGAIN == 0 and self.overlaid.orders.barred:
                    await self.refresh()
                told = ""
            except Exception as error:
                why = error.message if isinstance(error, ArgusError) else type(error).__name__
                if why != told:  # a full disk stays full for many looks
                    log.warning(
                        "what another process changed is not in force here: %s",
                        why,
                        exc_info=None if isinstance(error, ArgusError) else error,
                    )
                told = why

    async def look(self) -> None:
        """Apply what another process has changed since, if one has."""
        if await self.state.generation() == self.stored.generation:
            return
        async with self._lock:
            stored = await self.state.read()
            if stored.generation != self.stored.generation:
                self._swap(await self._prepared(self.file, stored))

    async def aclose(self) -> None:
        """Close everything that is open, what is being drained included."""
        for drain in self._drains:
            drain.cancel()
        await asyncio.gather(*self._drains, return_exceptions=True)
        try:
            await self.opened.aclose()
        finally:
            await self.books.aclose()

    async def settled(self) -> None:
        """Return when everything that is gone is closed."""
        while self._drains:
            await asyncio.wait(self._drains)

    async def refresh(self, pool: str | None = None) -> None:
        """Look up anew where nodes lead that cannot be connected to, and all those of ``pool``."""
        async with self._lock:
            self._swap(await self._prepared(self.file, self.stored, forget=pool))

    # -- changes ------------------------------------------------------------------------------

    async def reload(self, config: Config) -> Report:
        """What another configuration changed; it is in force when this returns.

        :class:`ConfigError` says why it cannot be; then everything is as it was.
        """
        async with self._lock:
            running = {name: getattr(self.file, name) for name in RESTART}
            restart = tuple(name for name in RESTART if getattr(config, name) != running[name])
            stored = await self.state.read()
            step = await self._prepared(config.model_copy(update=running), stored, restart=config)
            report = compared(
                self.overlaid.config,
                self.parts.nodes,
                step.overlaid.config,
                step.parts.nodes,
                needs_restart=restart,
                ignored=step.overlaid.ignored,
            )
            self._swap(step)
        log.info("the configuration was read again: %s", report)
        return report

    async def change(self, edit: Edit) -> None:
        """Store what ``edit`` makes of what is stored, and put it into force.

        Raises what ``edit`` raises, :class:`ConfigError` for what cannot be built and
        :class:`StateError` for what cannot be stored; then everything is as it was.
        """
        async with self._lock:
            for _ in range(_TRIES):
                stored = edit(self.stored, self.overlaid)
                step = await self._prepared(self.file, stored)
                try:
                    stored = await self.state.write(self.stored, stored)
                except Stale:
                    await self._abandon(step)
                    self._swap(await self._prepared(self.file, await self.state.read()))
                except BaseException:
                    await self._abandon(step)
                    raise
                else:
                    self._swap(replace(step, stored=stored))
                    return
        raise ConfigError("other processes change the same all the time", fix="try again")

    async def lead(self, node: ServerNode) -> str:
        """The address that a node leads to; raises as :meth:`Door.address` does."""
        return await self._door.address(node.host, node.port)

    # -- steps --------------------------------------------------------------------------------

    def _door_of(self, config: Config) -> Door:
        return Door(config.server_nodes.allow, where=config.where, resolve=self._resolve)

    async def _built(
        self,
        file: Config,
        stored: Stored,
        restart: Config | None = None,
        forget: str | None = None,
    ) -> _Step:
        """The step to these, built and not open."""
        known = leading(self.overlaid, forget=forget) if file is self.file else {}
        leads = await led(self._door_of(file), stored.pools, known, leading(self.overlaid))
        overlaid = overlay(file, stored, leads)
        config = overlaid.config
        if not config.enabled:
            raise ConfigError(
                "no source is configured",
                where=f"{config.where}, [sources]",
                fix='add a table such as [sources.demo] with plugin = "demo"; see `argus plugins`',
            )
        await asyncio.to_thread(self._import, config)
        checked = config if restart is None else _for_check(config, restart)
        parts = assemble(
            checked,
            clock=self.clock,
            random=self._random,
            before=self.parts,
            orders=overlaid.orders,
            again=restart is not None,
        )
        there = self.parts.nodes
        fresh = tuple(node for node in parts.nodes.values() if there.get(node.name) is not node)
        return _Step(file=file, stored=stored, overlaid=overlaid, parts=parts, fresh=fresh)

    async def _prepared(
        self,
        file: Config,
        stored: Stored,
        restart: Config | None = None,
        forget: str | None = None,
    ) -> _Step:
        """The step to these, its new sources open."""
        step = await self._built(file, stored, restart, forget)
        closed = step.overlaid.orders.closed
        opening = [node for node in step.fresh if node.name not in closed]
        if step.fresh:
            await self.books.exchange()  # an account may be new here, and not to the file
        try:
            await self.opened.open_all(opening, step.overlaid.config)
        except BaseException:
            await self._abandon(step)
            raise
        return step

    async def _abandon(self, step: _Step) -> None:
        await self.opened.close(node.source for node in step.fresh)

    def _swap(self, step: _Step) -> None:
        """Put a step into force, at once: nothing is awaited here."""
        live = self.parts
        before = {id(pool.gate) for pool in live.routes.pools.values()}
        sizes = {name: record.size for name, record in self.overlaid.pools.items()}
        gone = [n for name, n in live.nodes.items() if step.parts.nodes.get(name) is not n]
        live.nodes.clear()
        live.nodes.update(step.parts.nodes)
        live.routes.become(step.parts.routes)
        for name, record in step.overlaid.pools.items():
            gate = live.routes.pools[name].gate
            if record.size is None or gate is None:
                continue
            if id(gate) not in before or record.size != sizes.get(name):
                gate.resize(record.size)
        for name, node in live.nodes.items():
            node.off = step.overlaid.off.get(name)
        self.parts = replace(step.parts, nodes=live.nodes, routes=live.routes)
        self.file, self.stored, self.overlaid = step.file, step.stored, step.overlaid
        self._door = self._door_of(step.file)
        self.redactor.learn(self.parts.secrets)
        if self._applied is not None:
            self._applied(self.overlaid.config)
        if gone and self._router is not None:
            drain = asyncio.get_running_loop().create_task(self._drain(gone, self._router))
            self._drains.add(drain)
            drain.add_done_callback(self._drains.discard)

    async def _drain(self, gone: list[Node], router: Router) -> None:
        """Close sources once nobody can be on his way to them any more."""
        before = set(router.under_way)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN):
                # Who fetches is the router's business, which tells nobody: looking now and then
                # costs less than an event a fetch.
                while before & router.under_way or any(node.load for node in gone):  # noqa: ASYNC110
                    await asyncio.sleep(_SOON)
        await self.opened.close(node.source for node in gone)

    def _to_open(self, nodes: Iterable[Node]) -> list[Node]:
        closed = self.overlaid.orders.closed
        return [node for node in nodes if node.name not in closed]

    def _import(self, config: Config) -> None:
        """Import new plugins beside the event loop; what is wrong with them is told later."""
        wanted = {("source", table.plugin) for table in config.enabled.values()}
        wanted |= {("balancer", t.balancer) for t in config.pools.values() if t.balancer}
        wanted |= {("authenticator", name) for name in config.auth.plugins}
        for kind, name in sorted(wanted):
            with suppress(ConfigError):
                self.parts.plugins.load(kind, name, config.where)


def _for_check(config: Config, other: Config) -> Config:
    """``config`` with the tables of the other that are only checked."""
    return config.model_copy(update={"caches": other.caches, "alerters": other.alerters})
