"""One pushing node: what it is to push, what it was asked to push, and the way in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from argus_core.model.request import requesting
from argus_core.model.symbol import Symbol
from argus_core.routing.node import Node
from argus_core.streaming.calling import Calling
from argus_core.streaming.inlet import Inlet
from argus_core.streaming.reading import PushReader

ACCEPTING = 10.0
"""Seconds within which a source accepts a subscription, or its end."""
LEAVING = 2.0
"""Seconds for which a source is waited for when everything ends."""
AT_ONCE = 500
"""Symbols in one call."""

Via = Callable[[Sequence[Symbol]], tuple[str, ...]]
"""The ids of the gateways through which the wish for these symbols has come, this one last."""
Accepted = Callable[["Door", Sequence[Symbol]], None]
"""Told that a node pushes these from now on."""
Refused = Callable[["Door", Sequence[Symbol], str], None]
"""Told that a node does not push these, and why."""


class Door:
    """Sees to it that a node pushes what is wanted of it, and nothing else.

    One call is made at a time, and each by what is wanted when it is made: a subscription never
    overtakes the end of the one before.
    """

    def __init__(
        self,
        node: Node,
        *,
        pushed: Callable[[Door, Sequence[Any]], None],
        overflown: Callable[[Door, int], None],
        accepted: Accepted,
        refused: Refused,
        via: Via,
    ) -> None:
        self.node = node
        self.reader = PushReader(node.source)
        self.strange = 0
        """Things pushed so far that are nothing that a source may push."""
        self._inlet = Inlet(
            asyncio.get_running_loop(),
            lambda items: pushed(self, items),
            lambda dropped: overflown(self, dropped),
        )
        self._accepted = accepted
        self._refused = refused
        self._via = via
        self._wanted: dict[Symbol, None] = {}
        self._asked: dict[Symbol, None] = {}
        """What it was asked to push, accepted or not; only its end takes it out."""
        self._calling = Calling(node.name)
        self._work: asyncio.Task[None] | None = None

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """What it is to push."""
        return tuple(self._wanted)

    @property
    def load(self) -> int:
        """How many symbols it is to push."""
        return len(self._wanted)

    @property
    def waiting(self) -> bool:
        """True while something that it pushed waits to be taken."""
        return self._inlet.waiting

    @property
    def idle(self) -> bool:
        """True if it pushes nothing, is to push nothing, and nothing is under way."""
        working = self._work is not None and not self._work.done()
        return not (self._wanted or self._asked or working or self._calling.hangs)

    def want(self, symbol: Symbol) -> None:
        """Have a symbol pushed; those of one turn of the loop go in one call."""
        self._wanted[symbol] = None
        self.mend()

    def drop(self, symbol: Symbol) -> None:
        """Have a symbol pushed no more."""
        self._wanted.pop(symbol, None)
        self.mend()

    def mend(self) -> None:
        """Make what is pushed what is wanted, if it is not."""
        busy = self._work is not None and not self._work.done()
        if not busy and self._wanted.keys() != self._asked.keys():
            self._work = asyncio.get_running_loop().create_task(self._agree())

    async def settled(self) -> None:
        """Return when nothing is under way."""
        while self._work is not None and not self._work.done():
            await asyncio.wait((self._work,))

    async def aclose(self) -> None:
        """Let nothing in any more, and have nothing pushed as far as the node still answers."""
        self._inlet.close()
        self._wanted.clear()
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait((self._work,))
        if self._asked and not self._calling.hangs:
            asked, self._asked = tuple(self._asked), {}
            await self._calling.outcome(LEAVING, self.node.source.unsubscribe, asked)

    def close(self) -> None:
        """Let nothing in any more; for one that is idle."""
        self._inlet.close()

    async def _agree(self) -> None:
        # An end makes room for what comes: vendors limit how much they push.
        while not self._calling.hangs and (await self._ended() or await self._begun()):
            pass
        if self._calling.hangs and (new := self._new()):
            self._refuse(new, f"{self.node.name} hangs in an earlier call")

    async def _ended(self) -> bool:
        over = tuple(symbol for symbol in self._asked if symbol not in self._wanted)[:AT_ONCE]
        if not over:
            return False
        await self._calling.outcome(ACCEPTING, self.node.source.unsubscribe, over)
        if not self._calling.hangs:
            for symbol in over:
                self._asked.pop(symbol, None)
                self.reader.forget(symbol)
        return True

    async def _begun(self) -> bool:
        new = self._new()
        if not new:
            return False
        # Whoever is asked may be a gateway, and must not be one that asks us for the same.
        via = self._via(new[:1])
        asked = tuple(symbol for symbol in new if self._via((symbol,)) == via)[:AT_ONCE]
        self._asked.update(dict.fromkeys(asked))
        with requesting(via=via):
            outcome = await self._calling.outcome(
                ACCEPTING, self.node.source.subscribe, asked, self._inlet.push
            )
        if taken := outcome.of(asked):
            self._accepted(self, taken)
        known = frozenset(taken)
        if left := tuple(symbol for symbol in asked if symbol not in known):
            self._refuse(left, outcome.why or f"{self.node.name} does not push it")
        return True

    def _new(self) -> tuple[Symbol, ...]:
        return tuple(symbol for symbol in self._wanted if symbol not in self._asked)

    def _refuse(self, symbols: Sequence[Symbol], why: str) -> None:
        for symbol in symbols:
            self._wanted.pop(symbol, None)
        self._refused(self, symbols, why)
