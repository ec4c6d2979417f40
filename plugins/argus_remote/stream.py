"""The stream: one connection over which the other Argus pushes, made again when it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from argus_core import (
    ArgusError,
    Cache,
    Clock,
    LoginFailed,
    NotOffered,
    Push,
    PushFrame,
    SourceUnavailable,
    Symbol,
    read_push_frame,
)
from argus_remote.following import Following
from argus_remote.heard import Heard, Unfit
from argus_remote.questions import Questions
from argus_remote.settings import RemoteSettings

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("argus.remote")

SILENCE = 30.0
"""Seconds without a word after which a connection counts as lost: twice the usual heartbeat."""
WAITING = 5.0
"""Seconds for which a subscription waits for a connection that is being made again."""
STEADY = 10.0
"""Seconds after which a connection counts as a good one: the next loss is looked into at once."""
AT_ONCE = 500
"""Symbols in one subscription."""
_NOT_ALLOWED = 4001
_LONGEST = 10.0
_LONGEST_FAREWELL = 5.0


class Stream:
    """What is pushed over one connection, over all of its lives.

    A loss is told as a :class:`Gap` as soon as it cannot be made good at once, or when more was
    said meanwhile than comes after all; one that missed nothing is not.
    """

    def __init__(
        self,
        name: str,
        settings: RemoteSettings,
        clock: Clock,
        unfit: Unfit,
        *,
        carrier: Callable[[], Cache | None] = lambda: None,
        silence: float = SILENCE,
        pauses: Callable[[], Iterator[float]] | None = None,
    ) -> None:
        self.connections = 0
        """Connections so far."""
        self._name = name
        self._settings = settings
        self._clock = clock
        self._silence = silence
        self._pauses = pauses or _pauses
        self._carrier = carrier
        self._heard = Heard(name, clock, unfit)
        self._following = Following(name, clock, self._heard)
        self._fanout = ""
        """What the other one publishes for many, by the name in its greeting."""
        self._socket: ClientConnection | None = None
        self._up = asyncio.Event()
        self._opening = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._questions = Questions(name)
        self._farewell: float | None = None
        """Seconds after which to come again, as the other one said before it ended."""

    @property
    def symbols(self) -> Collection[Symbol]:
        """The symbols that are pushed."""
        return self._heard.wanted.keys()

    @property
    def shared(self) -> bool:
        """True while values come over a shared cache, once for all who listen."""
        return self._following.over is not None

    async def subscribe(
        self, symbols: Sequence[Symbol], push: Push, via: tuple[str, ...]
    ) -> Collection[Symbol]:
        """Those of the symbols that the other one pushes from now on, also over reconnects.

        ``via`` are the gateways that asked for them. Raises :class:`NotOffered` or a
        :class:`SourceError` if it is none of them.
        """
        heard = self._heard
        heard.push = push
        new = [symbol for symbol in symbols if symbol not in heard.wanted]
        heard.wanted |= dict.fromkeys(symbols, via)
        try:
            socket = await self._connected()
            asked = {"symbols": symbols, "via": via, "over": self._following.over}
            frame = await self._questions.ask(socket, "subscribe", asked)
        except BaseException:
            heard.forget(new)
            self._rest()
            raise
        heard.forget(set(symbols) - set(frame.accepted))
        if not frame.accepted:
            self._rest()
            why = frame.rejected[0].message if frame.rejected else "it does not say why"
            raise NotOffered(f"{self._name} pushes none of these: {why}")
        return frame.accepted

    async def unsubscribe(self, symbols: Iterable[Symbol]) -> None:
        """Have these pushed no more; unknown ones are no error."""
        known = [symbol for symbol in symbols if symbol in self._heard.wanted]
        self._heard.forget(known)
        socket = self._socket
        if socket is not None and known:
            await self._end(socket, known)
        self._rest()

    async def aclose(self) -> None:
        """Drop the connection and want nothing any more; safe to call twice."""
        self._heard.forget(tuple(self._heard.wanted))
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # -- one question -------------------------------------------------------------------------

    async def _connected(self) -> ClientConnection:
        """The connection; a first one is made at once, a lost one is waited for."""
        async with self._opening:
            if self._task is None or self._task.done():
                socket = await self._opened()
                self._task = asyncio.create_task(self._run(socket))
                return socket
        try:
            async with asyncio.timeout(WAITING):
                await self._up.wait()
        except TimeoutError:
            pass
        if self._socket is None:
            raise SourceUnavailable(f"the stream of {self._name} is being made again")
        return self._socket

    async def _end(self, socket: ClientConnection, symbols: Iterable[Symbol]) -> None:
        await self._questions.tell(socket, "unsubscribe", {"symbols": list(symbols)})

    def _rest(self) -> None:
        """Keep no connection that nobody wants."""
        if not self._heard.wanted and self._task is not None:
            self._task.cancel()
            self._task = None

    # -- the life of the connection -----------------------------------------------------------

    async def _opened(self) -> ClientConnection:
        """A new connection, greeted; raises as :func:`argus_remote.wire.dialled` does."""
        from argus_remote.wire import dialled, greeted  # noqa: PLC0415 - slow to import

        socket = await dialled(self._name, self._settings)
        hello = await greeted(self._name, socket)
        if hello.server_time is not None:
            self._heard.ahead = hello.server_time - self._clock.now()
        self._heard.alive()
        self._socket, self._farewell = socket, None
        self._fanout = hello.fanout
        self.connections += 1
        self._up.set()
        return socket

    async def _run(self, first: ClientConnection) -> None:
        """Listen, over one connection after another, until nothing is wanted."""
        socket: ClientConnection | None = first
        again, pauses = False, self._pauses()
        try:
            while socket is not None:
                began = self._clock.monotonic()
                reason = await self._listened(socket, again=again)
                self._heard.lost()
                log.warning("the stream of %s was lost: %s", self._name, reason)
                if self._clock.monotonic() - began > STEADY:
                    pauses = self._pauses()
                socket, again = await self._again(reason, pauses), True
        except Exception:
            log.exception("the stream of %s failed", self._name)
            self._heard.cut("it failed here")

    async def _listened(self, socket: ClientConnection, *, again: bool) -> str:
        """Why a connection was lost over which everything wanted was listened to until then."""
        beside = asyncio.create_task(self._beside(socket, again=again))
        try:
            return await self._read(socket)
        finally:
            self._gone(socket)
            beside.cancel()
            await asyncio.wait({beside})
            # At once: whoever is lost does not answer a farewell.
            socket.transport.abort()

    def _gone(self, socket: ClientConnection) -> None:
        if self._socket is socket:
            self._socket = None
            self._up.clear()
            self._questions.refuse(SourceUnavailable(f"{self._name} closed its stream"))

    async def _again(self, reason: str, pauses: Iterator[float]) -> ClientConnection | None:
        """A new connection, however long it takes; None if nothing is wanted any more."""
        told = self._farewell is not None
        if told:
            self._heard.cut(reason)
        wait = self._farewell
        for pause in pauses:
            await asyncio.sleep(pause if wait is None else wait)
            wait = None
            if not self._heard.wanted:
                return None
            try:
                return await self._opened()
            except ArgusError as error:
                if not told:
                    self._heard.cut(f"{reason}; {error.message}")
                told = True
        return None

    async def _beside(self, socket: ClientConnection, *, again: bool) -> None:
        """What is asked while a connection is read: what it missed, then to come another way."""
        if again:
            await self._resume(socket)
        if not self._fanout or self._carrier() is None:
            return
        try:
            await self._questions.ask(socket, "follow")
            await self._following.run(self._fanout, self._carrier, partial(self._renew, socket))
        except ArgusError as error:
            log.info("%s is not followed over a shared cache: %s", self._name, error.message)
        except Exception:
            # As if the connection were lost: what comes which way is not known any more.
            log.exception("following %s failed", self._name)
            socket.transport.abort()

    async def _resume(self, socket: ClientConnection) -> None:
        """Ask for everything again that is wanted."""
        for part in list(self._heard.parts(AT_ONCE)):
            try:
                self._renewed(await self._questions.ask(socket, "subscribe", part))
            except ArgusError as error:
                self._heard.gap(part["symbols"], error.message)
        self._heard.whole()

    async def _renew(
        self, socket: ClientConnection, over: str | None, symbols: Collection[Symbol] | None
    ) -> None:
        """Ask for what is wanted to come another way: see :data:`argus_remote.following.Ask`."""
        for part in list(self._heard.parts(AT_ONCE, symbols)):
            asked = {**part, "over": over}
            frame = await self._questions.ask(socket, "subscribe", asked)
            self._renewed(frame)
            if frame.over != (over or ""):
                raise SourceUnavailable(f"{self._name} publishes nothing just now")

    def _renewed(self, frame: PushFrame) -> None:
        for one in frame.rejected:
            self._heard.gap((Symbol(one.symbol),), one.message)

    async def _read(self, socket: ClientConnection) -> str:
        """Why the connection ended, once it has."""
        try:
            while True:
                async with asyncio.timeout(self._silence):
                    data = await socket.recv(decode=False)
                strays = self._take(read_push_frame(data))
                self._heard.spoken()
                if self._following.direct:
                    self._heard.alive()
                if strays:
                    await self._end(socket, strays)
                await asyncio.sleep(0)  # however much there is, others have their turn
        except TimeoutError:
            return f"it said nothing for {self._silence:g} s"
        except ConnectionClosed as closed:
            frame = closed.rcvd
            if frame is not None and frame.code == _NOT_ALLOWED:
                self._questions.refuse(LoginFailed(f"{self._name} refuses the key: {frame.reason}"))
            why = f": {frame.reason}" if frame is not None and frame.reason else ""
            return f"it closed the connection{why}"
        except ValueError as error:
            return f"it cannot be understood: {error}"

    def _take(self, frame: PushFrame) -> set[Symbol]:
        strays = self._heard.take(frame)
        if frame.type == "fanout" and frame.state == "lost":
            self._following.lost(frame.reason or "it does not say why")
        if frame.type == "shutdown":
            self._farewell = min(frame.reconnect_after_ms / 1000, _LONGEST_FAREWELL)
        if not self._questions.take(frame) and frame.type == "error":
            log.warning("%s: %s", self._name, frame.message)
        return strays


def _pauses() -> Iterator[float]:
    """Seconds before each try, ever longer, and never alike for those who lost it together."""
    random = Random()
    yield random.uniform(0.0, 0.2)
    for longest in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0):
        yield longest * random.uniform(0.5, 1.0)
    while True:
        yield _LONGEST * random.uniform(0.5, 1.0)
