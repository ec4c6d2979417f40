"""What the other gateway publishes once for many, over a cache that both share."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from argus_core import (
    ArgusError,
    Cache,
    Clock,
    PushFrame,
    SourceUnavailable,
    Symbol,
    fanout_channel,
    read_push_frame,
)
from argus_remote.heard import Heard

log = logging.getLogger("argus.remote")

LOOK = 0.5
"""Seconds between two looks whether beats still come."""
SILENT = 3.5
"""Seconds without a beat, three of which have failed then, after which this way counts as lost."""
AWAY = 10.0
"""Seconds for which a way that was lost is not taken again."""
MOST_HELD = 500
"""Messages that are held back while the values move to this way."""
SPELL = 30.0
MOST_AGAIN = 5
"""Times within a spell, in seconds, that everything is asked for again; a way that loses more is
given up."""

Ask = Callable[[str | None, Collection[Symbol] | None], Awaitable[None]]
"""Asks for symbols, None: for all that are wanted, to come over what has this name, None: over
the connection; says what was heard last of each, and raises an :class:`ArgusError` in vain."""


class Following:
    """Whether values come over a shared cache, and all of them.

    They do so once a beat was heard there, which proves that the cache is the same. Messages are
    numbered and beats say how far each symbol has come: whatever is missing is asked for again
    over the connection, with what was heard last, so that nothing is missed unsaid. Where beats
    end, everything comes over the connection again.
    """

    def __init__(self, name: str, clock: Clock, heard: Heard) -> None:
        self.over: str | None = None
        """The name of what values come over; None while they come over the connection."""
        self._name = name
        self._clock = clock
        self._heard = heard
        self._changed = asyncio.Event()
        self._held: deque[PushFrame] | None = None
        """Messages that wait until all values have moved to this way."""
        self._away = 0.0
        self._again_at = deque[float](maxlen=MOST_AGAIN)
        self._begin("")

    def _begin(self, fanout: str) -> None:
        self._fanout = fanout
        self.over, self._held = None, None
        self._number: int | None = None
        self._beaten: float | None = None
        self._suspect = self._lost = False
        self._behind: set[Symbol] = set()

    @property
    def direct(self) -> bool:
        """True while all values come over the connection, so that its word is all there is."""
        return self.over is None and self._held is None and not self._lost

    @property
    def _beating(self) -> bool:
        """True if a beat was heard since this way was lost, if it was."""
        return self._beaten is not None

    async def run(self, fanout: str, carrier: Callable[[], Cache | None], ask: Ask) -> None:
        """Follow as long as the connection lasts whose greeting named ``fanout``; until cancelled.

        Returns once ``carrier`` gives another cache than at first.
        """
        cache = carrier()
        if cache is None:
            return
        self._begin(fanout)
        listening = asyncio.create_task(self._listen(cache))
        try:
            while carrier() is cache:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._changed.wait()
                self._changed.clear()
                await self._turn(ask)
            self.lost("it is switched off")
            while self._lost:
                await self._turn(ask)
                await asyncio.sleep(LOOK)
        finally:
            self._begin("")
            listening.cancel()
            await asyncio.wait({listening})

    async def _listen(self, cache: Cache) -> None:
        while True:
            try:
                await cache.listen(fanout_channel(self._fanout), self.hear)
            except Exception as error:  # noqa: BLE001 - values go on over the connection
                log.debug("nothing is heard over %s: %s", cache.name, type(error).__name__)
            await asyncio.sleep(1.0)

    # -- what is heard ----------------------------------------------------------------------------

    def hear(self, message: bytes | None) -> None:
        """Take a message of the cache; None says that some may have been missed."""
        if message is None:
            self._number = None  # the next one does not follow the last
            return
        try:
            frame = read_push_frame(message)
        except ValueError as error:
            log.warning("%s publishes what cannot be understood: %s", self._name, error)
            self._number = None
            return
        if self._held is None:
            self._take(frame)
        elif len(self._held) < MOST_HELD:
            self._held.append(frame)
        else:
            self._number = None

    def lost(self, reason: str) -> None:
        """Note that nothing comes this way any more."""
        self._away = self._clock.monotonic() + AWAY
        self._beaten = None
        if self.over is None:
            return
        log.warning("what %s pushes comes over its own connection again: %s", self._name, reason)
        self._heard.lost()
        self.over, self._lost = None, True
        self._changed.set()

    def _take(self, frame: PushFrame) -> None:
        follows = self._number is not None and frame.n == self._number + 1
        if not follows:
            self._doubt()
        self._number = frame.n
        if frame.type == "beat":
            self._beat(frame)
        elif self.over is not None:
            self._heard.share(frame)

    def _beat(self, frame: PushFrame) -> None:
        self._beaten = self._clock.monotonic()
        if self.over is not None:
            self._behind |= self._heard.behind(frame)
            if not self._behind and not self._suspect:
                self._heard.alive(shared=True)
                return
        self._changed.set()

    def _doubt(self) -> None:
        """Note that something may have been missed."""
        if self.over is not None and not self._suspect:
            self._suspect = True
            self._heard.lost()
            self._changed.set()

    # -- what is done about it --------------------------------------------------------------------

    async def _turn(self, ask: Ask) -> None:
        """Ask for what is missing, or to come another way; what fails is tried again later."""
        now = self._clock.monotonic()
        if self.over and self._beaten is not None and now - self._beaten > SILENT:
            self.lost(f"no beat came for {SILENT:g} s")
        try:
            if self._lost:
                await ask(None, None)
                self._lost = False
                self._heard.whole()
            elif self.over is not None:
                await self._again(ask, now)
            elif now >= self._away:
                await self._move(ask, now)
        except ArgusError as error:
            self.lost(error.message)

    async def _again(self, ask: Ask, now: float) -> None:
        """Ask once more for what was not heard."""
        if self._suspect:
            if len(self._again_at) == MOST_AGAIN and now - self._again_at[0] < SPELL:
                self.lost("it loses too much")
                return
            self._again_at.append(now)
            # What is heard from now on follows what is asked for now.
            self._suspect = False
            self._behind.clear()
            await ask(self.over, None)
        elif self._behind:
            behind, self._behind = self._behind, set()
            self._heard.lost()
            await ask(self.over, behind)
        else:
            return
        if not self._lost:  # it may have been told so meanwhile
            self._heard.whole()

    async def _move(self, ask: Ask, now: float) -> None:
        """Have everything come this way; what comes before the last answer waits for it."""
        if self._beaten is None or now - self._beaten > SILENT:
            return
        self._held = held = deque[PushFrame]()
        try:
            await ask(self._fanout, None)
            if not self._beating:
                raise SourceUnavailable("it was lost while values moved there")
            self.over = self._fanout
            self._suspect = False
            self._behind.clear()
            log.info("what %s pushes comes over a shared cache", self._name)
        except ArgusError:
            self._lost = True  # some of it may come this way already
            self._heard.lost()
            raise
        finally:
            self._held = None
        for frame in held:
            self._take(frame)
