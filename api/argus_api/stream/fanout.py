"""Fan-out: what gateways listen to, published once for all of them on a cache that they share."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from uuid import uuid4

from argus_api.stream.connection import Connection
from argus_api.stream.relay import Relay
from argus_core import CacheError, Symbol
from argus_core.extend.cache import Cache
from argus_core.extend.pushes import fanout_channel
from argus_core.streaming.feed import FeedLane
from argus_core.streaming.hub import Hub
from argus_core.streaming.lanes import Lane
from argus_core.streaming.topics import FEED, Notice
from argus_core.streaming.turns import PAUSE

log = logging.getLogger("argus.stream")

BEAT = 1.0
"""Seconds from one beat to the next."""


class Fanout:
    """A listener of the hub whose words go over a shared cache to many gateways.

    Messages are numbered, and a beat tells once a second which number each symbol has come to, so
    that whoever follows knows of everything that he missed. Notices go this way too, in their
    place among the values, and over each gateway's own connection besides.
    """

    def __init__(self, carrier: Cache, hub: Hub, dialect: Relay) -> None:
        self.id = uuid4().hex[:12]
        self.published = 0
        """Messages so far."""
        self.fault: str | None = None
        """Why nothing can be published just now."""
        self._carrier = carrier
        self._channel = fanout_channel(self.id)
        self._hub = hub
        self._dialect = dialect
        self._lane = FeedLane(self)
        self._followers: dict[Connection, None] = {}
        self._held: Counter[Symbol] = Counter()
        """How many followers hear each symbol this way."""
        self._said: dict[str, int] = {}
        """The last numbers of the symbols of which something was said since the last beat."""
        self._ahead: list[bytes] = []
        """Messages that are made already, up to the last notice."""
        self._waiting = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # -- who follows ------------------------------------------------------------------------------

    def enter(self, connection: Connection) -> None:
        """Let a gateway follow: as long as one does, there are beats."""
        self._followers[connection] = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self, connection: Connection) -> None:
        """Let a gateway follow no more; one that does not is no error."""
        self._followers.pop(connection, None)

    def follows(self, connection: Connection) -> bool:
        """True if a gateway follows, and something can be published for it."""
        return connection in self._followers and self.fault is None

    @property
    def followers(self) -> int:
        """How many gateways follow."""
        return len(self._followers)

    @property
    def symbols(self) -> int:
        """How many symbols go this way."""
        return len(self._held)

    def hold(self, symbols: Iterable[Symbol]) -> None:
        """Publish these for one more follower, from the next update on."""
        asked = tuple(symbols)
        heard = self._hub.heard(self)
        new = tuple(symbol for symbol in asked if (FEED, symbol) not in heard)
        self._held.update(asked)
        self._hub.listen(self._lane, self._dialect.view(FEED, None), new)

    def release(self, symbols: Iterable[Symbol]) -> None:
        """Publish these for one follower less; they end with the next beat, if nobody is left."""
        self._held.subtract(symbols)

    async def aclose(self) -> None:
        """Publish nothing any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._hub.leave(self)

    # -- a listener of the hub: see lanes.Listener ------------------------------------------------

    def ready(self, lane: Lane) -> None:  # noqa: ARG002 - there is one
        """Have what waits published soon."""
        self._waiting.set()

    def notice(self, notice: Notice) -> None:
        """Say what must be known, after everything that was said before it."""
        self._ahead += self._updates()
        if self.fault is None:
            told = {**self._dialect.worded(notice), "n": self._next()}
            self._ahead.append(self._dialect.message(told))
        self._waiting.set()

    # -- publishing -------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Publish again and again, as long as somebody follows."""
        now = asyncio.get_running_loop().time
        due = now()
        while self._followers:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - now())):
                    await self._waiting.wait()
            self._waiting.clear()
            try:
                ahead, self._ahead = self._ahead, []
                messages = [*ahead, *self._updates()]
                if now() >= due:
                    due = now() + BEAT
                    messages.append(self._beat())
                await self._publish(messages)
            except Exception as error:  # else followers would wait for beats that never come
                log.exception("live updates could not be published")
                self._failed(f"it failed: {type(error).__name__}")
            await asyncio.sleep(PAUSE)
        self._let_go()

    def _updates(self) -> list[bytes]:
        """The messages of what waits; nothing is kept while nothing can be published."""
        batch = self._lane.taken()
        if batch is None:
            return []
        topics = self._hub.topics
        for _, symbol in (*(key for key, _ in batch.each), *batch.latest):
            self._said[str(symbol)] = topics[FEED, symbol].seq
        if self.fault is not None:
            self._next()  # whoever hears what comes after it knows that he missed something
            return []
        return [
            self._dialect.items("update", FEED, bodies, {"n": self._next()})
            for bodies in self._dialect.parts(batch)
        ]

    def _beat(self) -> bytes:
        """What everybody who has missed nothing has heard by now."""
        self._let_go()
        told = {"type": "beat", "epoch": self._dialect.epoch, "n": self._next(), "seq": self._said}
        message = self._dialect.message(told)
        self._said = {}
        return message

    def _next(self) -> int:
        self.published += 1
        return self.published

    def _let_go(self) -> None:
        """Listen no more to what nobody hears this way."""
        idle = [symbol for symbol, count in self._held.items() if count <= 0]
        for symbol in idle:
            del self._held[symbol]
        self._hub.stop(self, [(FEED, symbol) for symbol in idle])

    async def _publish(self, messages: list[bytes]) -> None:
        if not messages:
            return
        try:
            await self._carrier.publish(self._channel, messages)
        except CacheError as error:
            self._failed(error.message)
        else:
            if self.fault is not None:
                self.fault = None
                log.info("the cache %s carries live updates again", self._carrier.name)

    def _failed(self, reason: str) -> None:
        """Tell all who follow to come the direct way; what was not published they ask for there."""
        before, self.fault = self.fault, reason
        if before is not None:
            return
        log.warning("live updates go to each gateway by itself: %s", reason)
        told = {"type": "fanout", "state": "lost", "reason": reason}
        for connection in list(self._followers):
            connection.say(self._dialect.message(told))
