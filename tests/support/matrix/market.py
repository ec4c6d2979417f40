"""The market's clock: every process lives in the morning of the recorded day.

Debian's libfaketime shifts the clocks of the processes; the stand-ins are told the time, so that
their quotes move as they did. Without the library quotes are still compared with what was
recorded, but their age is not looked at.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
from support.matrix.truth import BEGIN, SHANGHAI
from support.vendors import Vendor, surroundings

SITE = Path(__file__).with_name("site")
STEP = 2.0
"""Seconds between two instants that the stand-ins are told."""
TIMELESS = 1e9
"""The allowed age of a quote where no clock can be shifted."""


def library() -> Path | None:
    """Debian's libfaketime, if it is installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


class Market:
    """The market's instant: it begins at ten in the morning and runs as this machine does."""

    def __init__(self) -> None:
        self.offset = round(BEGIN.timestamp() - time.time())
        self.shifted = library() is not None

    def now(self) -> datetime:
        """The instant."""
        return datetime.fromtimestamp(time.time() + self.offset, SHANGHAI)

    def surroundings(self, file: Path | None = None) -> dict[str, str]:
        """The environment of a process with this clock; with ``file`` it can be moved later."""
        plain = surroundings()
        if (path := library()) is None:
            return plain
        shifted = plain | {
            "PYTHONPATH": os.pathsep.join((str(SITE), plain["PYTHONPATH"])),
            "LD_PRELOAD": str(path),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else threads fight for the GIL
            "NO_FAKE_STAT": "1",
        }
        if file is None:
            return {**shifted, "FAKETIME": f"{self.offset}"}
        self.jump(file, 0)
        # The file's word is looked up once a second.
        return {**shifted, "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1"}

    def jump(self, file: Path, seconds: int) -> None:
        """Put a clock so far ahead of the market's."""
        file.write_text(f"{self.offset + seconds}\n", encoding="ascii")

    @contextmanager
    def told(self, vendors: Sequence[Vendor]) -> Generator[None]:
        """The stand-ins hear what time it is as long as the context lasts."""
        over = threading.Event()

        def tell() -> None:
            with httpx.Client(trust_env=False, timeout=10) as client:
                while True:
                    now = f"{self.now():%Y-%m-%dT%H:%M:%S}"
                    for vendor in vendors:
                        url, order = vendor.move(now)
                        client.post(url, json=order).raise_for_status()
                    if over.wait(STEP):
                        return

        now = f"{self.now():%Y-%m-%dT%H:%M:%S}"
        with ThreadPoolExecutor() as at_once:  # the first time takes each of them a while
            list(at_once.map(lambda vendor: vendor.moves(now), vendors))
        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
