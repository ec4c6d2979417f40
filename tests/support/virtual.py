"""An event loop whose hours pass at once: it sleeps by moving its own clock."""

import asyncio
from collections.abc import Coroutine
from typing import Any

SPINNING = 10_000
"""Turns at one instant after which time passes all the same, as it does while one computes."""
A_TURN = 1e-5
"""Seconds that each further one then takes."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Where nothing is left to do before a timer, it is that time already. No threads in it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        self._turns = 0
        self._clock_resolution = 1e-9
        select = self._selector.select

        def at_once(timeout: float | None = None) -> Any:
            if timeout is None:
                return select(None)
            self._turns = 0 if timeout > 0 else self._turns + 1
            self._now += timeout if self._turns < SPINNING else A_TURN
            return select(0)

        self._selector.select = at_once

    def time(self) -> float:
        return self._now

    def compute(self, seconds: float) -> None:
        """Let time pass as somebody's work does, in which the loop cannot turn."""
        self._now += seconds


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """What ``main`` returns, without the waiting."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


async def turns(number: int = 30) -> None:
    """Return after so many turns of the loop; no time passes."""
    for _ in range(number):
        await asyncio.sleep(0)
