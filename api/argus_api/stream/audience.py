"""Everybody who listens: the connections of one process, and what is done about them in time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any

from argus_api.auth import DATA
from argus_api.lifecycle import Lifecycle
from argus_api.stream.codes import NOT_ALLOWED, RESTARTS
from argus_api.stream.connection import Connection, Dialect
from argus_api.stream.fanout import Fanout
from argus_api.stream.gate import Gate
from argus_api.stream.modern import JSON_PROTOCOL, MSGPACK_PROTOCOL, Modern
from argus_api.stream.offenders import Offenders
from argus_api.stream.outgoing import Outgoing
from argus_api.stream.pace import Talkers
from argus_api.stream.plain import Plain
from argus_api.stream.protocol import LARGEST
from argus_api.stream.relay import Relay
from argus_api.wire import instant
from argus_core import BadCredentials, Presented
from argus_core.extend.pushes import PUSH_PROTOCOL
from argus_core.gateway import Gateway
from argus_core.streaming.desk import Streaming
from argus_core.streaming.topics import Notice
from argus_core.streaming.turns import Turns

log = logging.getLogger("argus.stream")

LOOK = 1.0
"""Seconds between two looks at the connections."""
HEARTBEAT = 15.0
"""Seconds of silence after which a listener is told that there is nothing to tell."""
RIGHTS = 5.0
"""Seconds between two looks whether keys are still valid."""
MESSAGES = 1000
"""Messages a minute that a connection may send where keys are asked for."""
SPREAD = 5000
"""Milliseconds over which clients are asked to come back after a restart."""


class Audience:
    """The connections of this process, and the dialects that they speak."""

    def __init__(self, gateway: Gateway, lifecycle: Lifecycle) -> None:
        self.gateway = gateway
        self._lifecycle = lifecycle
        lifecycle.busy = self.busy
        self.connections: dict[Connection, Presented | None] = {}
        """Each with the credentials that its rights hang on; None where somebody vouched."""
        self.messages = 0
        """Messages to connections that are gone."""
        self.accepted = 0
        self.refused = 0
        self.talkers = Talkers(time.monotonic)
        self.gate = Gate(self.busy)
        self.offenders = Offenders(lambda: self.streaming.table.max_abuses, gateway.clock.monotonic)
        self.began = time.monotonic()
        self.dialects: Mapping[str, Dialect] = self._dialects()
        self._outgoing = Outgoing()
        self._turns: Turns | None = None
        self._fanout: Fanout | None = None
        self._watching: asyncio.Task[None] | None = None
        self._random = Random()

    @property
    def streaming(self) -> Streaming:
        """The core's side of it."""
        return self.gateway.streaming

    @property
    def turns(self) -> Turns:
        """What sees to it that everybody is told things, each at his pace."""
        if self._turns is None:
            self._turns = Turns(
                asyncio.get_running_loop(), self._outgoing.take, self._outgoing.send
            )
            self.streaming.when_caught_up = self._turns.begin
        return self._turns

    def busy(self) -> bool:
        """True while updates have come, or are to be sent, and everything else had better wait."""
        if self._turns is None:
            return False
        return self._turns.busy or self.streaming.supplier.pushing.waiting

    @property
    def fanout(self) -> Fanout | None:
        """The way over a cache to all gateways that share it; None where there is none."""
        carrier = self.gateway.carrier
        if carrier is not None and self._fanout is None:
            relay = self.dialects[PUSH_PROTOCOL]
            assert isinstance(relay, Relay)  # noqa: S101 - see _dialects
            self._fanout = Fanout(carrier, self.streaming.hub, relay)
        return self._fanout

    @property
    def crowded(self) -> bool:
        """True if no further connection is taken."""
        return len(self.connections) >= self.streaming.table.max_connections

    def enter(self, connection: Connection, presented: Presented | None) -> None:
        """Count a connection in."""
        self.connections[connection] = presented
        self.accepted += 1
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    def leave(self, connection: Connection) -> None:
        """Count a connection out; it is told nothing any more."""
        self.connections.pop(connection, None)
        self.streaming.hub.leave(connection)
        if self._fanout is not None:
            self._fanout.leave(connection)
        connection.close()
        self.messages += connection.sent

    def farewell(self, connection: Connection) -> None:
        """Tell a connection that this process ends, and when to come again."""
        told = {
            "reason": "the server restarts",
            "reconnect_after_ms": self._random.randrange(SPREAD),
        }
        connection.notice(Notice("shutdown", (), told))

    @property
    def most_messages(self) -> int | None:
        """The messages a minute that a connection may send; None where there is no limit."""
        stated = self.streaming.table.max_messages
        open_house = all(type(one).loopback_only for one in self.gateway.authenticators)
        return MESSAGES if stated is None and not open_house else stated

    @property
    def limits(self) -> dict[str, float | None]:
        """What each client may do, and how long it hears nothing at most; None: no limit."""
        table = self.streaming.table
        return {
            "symbols": table.max_symbols,
            "messages_per_minute": self.most_messages,
            "message_bytes": LARGEST,
            "heartbeat_seconds": HEARTBEAT,
        }

    def stats(self) -> dict[str, Any]:
        """The figures of the ``get_stats`` message."""
        hub = self.streaming.hub
        own = self.connections
        return {
            "total_connections": len(own),
            "total_subscriptions": hub.subscriptions,
            "messages_sent": self.messages + sum(one.sent for one in own),
            "uptime_seconds": int(time.monotonic() - self.began),
            "updates": hub.updates,
            "conflated": sum(one.skipped for one in own),
            "lost": sum(one.lost for one in own),
            "symbols": len(self.streaming.supplier.lines),
        }

    async def aclose(self) -> None:
        """End the watching."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._fanout is not None:
            await self._fanout.aclose()
        if self._turns is not None:
            self._turns.close()

    def _dialects(self) -> dict[str, Dialect]:
        inner = self.gateway.config.inner
        epoch = self.streaming.hub.epoch
        now: Callable[[], str] = lambda: instant(self.gateway.clock.now()) or ""  # noqa: E731
        return {
            "": Plain(inner),
            JSON_PROTOCOL: Modern(JSON_PROTOCOL, epoch, inner, now),
            MSGPACK_PROTOCOL: Modern(MSGPACK_PROTOCOL, epoch, inner, now),
            PUSH_PROTOCOL: Relay(epoch, inner, self.gateway.clock),
        }

    async def _watch(self) -> None:
        """Look after the connections as long as there are any."""
        loop = asyncio.get_running_loop()
        judged = loop.time()
        while self.connections:
            await asyncio.sleep(LOOK)
            now = loop.time()
            try:
                for connection in list(self.connections):
                    self._look(connection, now)
                if now - judged >= RIGHTS:
                    judged = now
                    await self._judge()
            except Exception:  # nobody would be looked after any more, nor a revoked key be seen
                log.exception("a look at the listeners broke off")

    def _look(self, connection: Connection, now: float) -> None:
        connection.looked_at(now, HEARTBEAT)
        if self._lifecycle.draining:
            self.farewell(connection)
            connection.end(RESTARTS, "the server restarts")

    async def _judge(self) -> None:
        """Close the connections whose keys are not valid any more; each key is looked at once."""
        by_key: dict[tuple[str, str], list[Connection]] = {}
        shown: dict[tuple[str, str], Presented] = {}
        for connection, presented in self.connections.items():
            if presented is not None:
                key = _key(presented)
                by_key.setdefault(key, []).append(connection)
                shown[key] = presented
        for key, own in by_key.items():
            try:
                principal = await self.gateway.authenticate(shown[key])
                good = DATA in principal.scopes
            except BadCredentials:
                good = False
            except Exception:
                log.exception("a listener's key could not be judged; it is tried again")
                continue
            for connection in () if good else own:
                connection.end(NOT_ALLOWED, "the key is not valid any more")


def _key(presented: Presented) -> tuple[str, str]:
    api_key, bearer = presented.api_key, presented.bearer
    return (
        "" if api_key is None else api_key.get_secret_value(),
        "" if bearer is None else bearer.get_secret_value(),
    )
