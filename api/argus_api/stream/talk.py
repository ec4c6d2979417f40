"""The talk with one client: what it says, and what it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.types import Receive

from argus_api.stream.asks import (
    ACTIONS,
    Unreadable,
    Want,
    channel_of,
    decoded,
    shown,
    symbols_of,
    want_of,
)
from argus_api.stream.audience import Audience
from argus_api.stream.codes import RATE_LIMITED, TOO_MANY, UNREADABLE
from argus_api.stream.connection import Connection
from argus_api.stream.modern import Modern
from argus_api.stream.opening import said_before, subscribed
from argus_api.stream.pace import A_SECOND, AT_ONCE, Pace
from argus_api.wire import instant
from argus_core import ArgusError, BadParameter, Symbol
from argus_core.errors import Overloaded, TooLarge
from argus_core.model.answer import Failure
from argus_core.streaming.hub import Caught
from argus_core.streaming.topics import QUOTES, Key

PATIENCE = 20
"""Unreadable messages after which a client is taken for broken."""
SYMBOL = 0.1
"""What each symbol of a message costs of the pace; the message itself costs one."""
FIGURES = 0.005
"""What the figures cost for each connection whose counts they add up."""


class Talk:
    """One client's messages, one after another."""

    speaks_for: ClassVar[float] = 1.0
    """How many the other side stands for, where it may say as much as these."""

    def __init__(self, audience: Audience, connection: Connection, receive: Receive) -> None:
        self.connection = connection
        self._audience = audience
        self._receive = receive
        self._minute = 0.0
        self._count = 0
        self._unreadable = 0
        self._now = asyncio.get_running_loop().time
        self._pace = Pace(self._now, AT_ONCE * self.speaks_for, A_SECOND * self.speaks_for)

    # -- listening --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Answer until the client leaves."""
        while (body := await self.heard()) is not None:
            try:
                await self._answered(body)
            except ArgusError as error:
                self.refuse(error, body)

    async def heard(self) -> dict[str, Any] | None:
        """The next message that can be read; None once the client has left."""
        while True:
            if rest := self._pace.rest():
                await asyncio.sleep(rest)
            if self._pace.much and self.connection.wire.open:
                await self._audience.talkers.turn()
            if self._pace.endless:
                self._end_flood("more for a minute than is read")
                return None
            event = await self._receive()
            # Without it whoever sends a thousand messages would keep the others waiting for all the
            # answers, and so would a thousand who send one each.
            await self._audience.gate.spoken()
            if event["type"] != "websocket.receive" or not self.connection.wire.open:
                return None
            if not self._counted():
                return None
            try:
                return decoded(event, binary=self.connection.dialect.binary)
            except Unreadable as error:
                self._unreadable += 1
                self.refuse(error, {})
                if self._unreadable >= PATIENCE:
                    self.connection.end(UNREADABLE, "too many messages that cannot be read")
                    return None

    def _counted(self) -> bool:
        """True if the client has not said too much within a minute."""
        self._spend(1.0)
        now = self._now()
        if now - self._minute >= 60.0:  # noqa: PLR2004 - the seconds of a minute
            self._minute, self._count = now, 0
        self._count += 1
        most = self._audience.most_messages
        if most is None or self._count <= most:
            return True
        self._end_flood(f"at most {most} messages a minute")
        return False

    def _spend(self, units: float) -> None:
        self._pace.spend(units)
        if self._pace.much:
            self._audience.talkers.spend(units)

    def _end_flood(self, why: str) -> None:
        self.refuse(Overloaded(why), {}, code=RATE_LIMITED)
        self.connection.end(TOO_MANY, "too many messages")

    # -- speaking ---------------------------------------------------------------------------------

    def greet(self) -> None:
        """Say who is here, where the dialect has a word for it."""
        dialect = self.connection.dialect
        if not isinstance(dialect, Modern):
            return
        told = {"type": "hello", "epoch": dialect.epoch, "server_time": self._time()}
        self.connection.say(dialect.message({**told, **self._offered()}))

    def _offered(self) -> Mapping[str, Any]:
        """What the greeting says that this client may do."""
        return {"limits": self._audience.limits}

    def answer(self, told: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Send an answer; it carries the ``id`` of the message that it answers, if that had one."""
        self.connection.say(self._message(told, body))

    def _message(self, told: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
        number = body.get("id")
        known = isinstance(number, str | int) and len(str(number)) <= 128  # noqa: PLR2004
        return self.connection.dialect.message({**told, "id": number} if known else told)

    def refuse(self, error: ArgusError, body: Mapping[str, Any], *, code: str = "") -> None:
        """Say what was wrong with a message; the connection goes on."""
        told: dict[str, Any] = {
            "type": "error",
            "code": code or error.code,
            "message": error.message,
        }
        if error.details:
            told["details"] = error.details
        self.answer(told, body)

    @property
    def _most(self) -> int:
        """Symbols that one message may name."""
        return self._audience.streaming.table.max_symbols

    # -- actions ----------------------------------------------------------------------------------

    async def _answered(self, body: Mapping[str, Any]) -> None:
        action = body.get("action")
        match action:
            case "subscribe":
                await self._subscribe(body)
            case "unsubscribe":
                self._unsubscribe(body)
            case "ping":
                self.answer({"type": "pong", "timestamp": self._time()}, body)
            case "get_stats":
                self._spend(len(self._audience.connections) * FIGURES)
                self.answer({"type": "stats", "data": self._audience.stats()}, body)
            case "list":
                self.answer({"type": "subscriptions", "data": self._listed()}, body)
            case "auth":
                self.answer({"type": "authenticated"}, body)
            case _:
                raise BadParameter(
                    f"action must be one of {', '.join(ACTIONS)}, not {shown(action)}",
                    details={"parameter": "action", "allowed": list(ACTIONS)},
                )

    async def _subscribe(self, body: Mapping[str, Any]) -> None:
        streaming, connection = self._audience.streaming, self.connection
        want = want_of(body, most=self._most)
        self._spend((len(want.symbols) + len(want.rejected)) * SYMBOL)
        self._refuse_excess(want)
        with streaming.held(want.symbols):
            ready = await streaming.ready(want.channel, want.symbols)
            if not connection.wire.open:
                return
            view = connection.dialect.view(want.channel, want.fields)
            lane = connection.lane(want.interval)
            caught = streaming.hub.listen(lane, view, ready.symbols, want.since)
            connection.keep(lane for _, lane in streaming.hub.heard(connection).values())
        rejected = {**want.rejected, **ready.rejected}
        if isinstance(connection.dialect, Modern):
            self._acknowledge(connection.dialect, want, body, caught, rejected)
            return
        for symbol, failure in rejected.items():
            told = {"type": "error", "code": failure.code, "message": failure.message}
            self.answer({**told, "details": {"symbol": symbol}}, body)
        connection.say(*(piece.body for one in caught for piece in one.fragments))

    def _refuse_excess(self, want: Want) -> None:
        most = self._audience.streaming.table.max_symbols
        heard = self._audience.streaming.hub.heard(self.connection)
        if len(heard) + len(want.symbols) <= most:  # as almost always
            return
        symbols = {symbol for _, symbol in heard} | set(want.symbols)
        if len(symbols) > most:
            raise TooLarge(
                f"at most {most} symbols a connection; this would make {len(symbols)}",
                details={"most": most},
            )

    def _acknowledge(
        self,
        dialect: Modern,
        want: Want,
        body: Mapping[str, Any],
        caught: tuple[Caught, ...],
        rejected: Mapping[str, Failure],
        **more: Any,
    ) -> None:
        """Say what is listened to now, then what was said before; nothing comes in between."""
        connection = self.connection
        told = subscribed(self._audience.streaming, connection, want, caught, rejected)
        before = (message for _, message in said_before(dialect, want.channel, caught))
        connection.say(self._message({**told, **more}, body), *before)

    def _unsubscribe(self, body: Mapping[str, Any]) -> None:
        streaming, connection = self._audience.streaming, self.connection
        channel = channel_of(body) if "channel" in body else None
        heard = list(streaming.hub.heard(connection))
        if body.get("symbols") is None and body.get("symbol") is None:
            keys = [key for key in heard if channel in (None, key[0])]
        else:
            named, _ = symbols_of(body, most=self._most)
            self._spend(len(named) * SYMBOL)
            symbols = frozenset(named)  # thousands may be sought among thousands
            own = channel or (None if isinstance(connection.dialect, Modern) else QUOTES)
            keys = [key for key in heard if key[1] in symbols and own in (None, key[0])]
        stopped = streaming.hub.stop(connection, keys)
        if isinstance(connection.dialect, Modern):
            told = {"type": "unsubscribed", "stopped": self._grouped(stopped)}
            self.answer({**told, "remaining": self._listed()}, body)

    def _listed(self) -> dict[str, list[Symbol]]:
        return self._grouped(tuple(self._audience.streaming.hub.heard(self.connection)))

    def _grouped(self, keys: tuple[Key, ...]) -> dict[str, list[Symbol]]:
        grouped: dict[str, list[Symbol]] = {}
        for channel, symbol in keys:
            grouped.setdefault(channel, []).append(symbol)
        return grouped

    def _time(self) -> str | None:
        return instant(self._audience.gateway.clock.now())
