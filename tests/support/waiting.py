"""Waiting for what others do where they have no event for tests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Return when something is so; AssertionError if that takes more of the loop's seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110 - what is waited for knows no event
                await asyncio.sleep(0.002)
            return
    raise AssertionError("what was waited for did not come")


def block_until(true: Callable[[], object], seconds: float = 90.0) -> None:
    """Return when something is so that no loop of this thread is needed for."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "what was waited for did not come"
        time.sleep(0.01)
