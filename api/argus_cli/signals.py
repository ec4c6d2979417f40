"""Signals, taken into the running loop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stopping(stop: Callable[[], object]) -> Generator[None]:
    """SIGINT and SIGTERM call ``stop`` in the running loop, each time they come."""
    loop = asyncio.get_running_loop()

    def caught(_signal: int, _frame: Any) -> None:
        loop.call_soon_threadsafe(stop)

    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        signals.append(signal.SIGBREAK)
    before = {each: signal.signal(each, caught) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def hanging_up(reload: Callable[[], object]) -> Generator[None]:
    """SIGHUP calls ``reload`` in the running loop, where there is such a signal."""
    if sys.platform == "win32":
        yield
        return
    loop = asyncio.get_running_loop()

    def caught(_signal: int, _frame: Any) -> None:
        loop.call_soon_threadsafe(reload)

    before = signal.signal(signal.SIGHUP, caught)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
