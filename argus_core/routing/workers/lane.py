"""The lane in which a worker's plain calls run, one after another."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """One call on its way: what it is called and with what."""

    number: int
    name: str
    argument: Any = None
    taken: bool = False
    """True once it runs or was given up; whoever sets it decides."""
    leave: Callable[[], object] | None = None
    """Ends an asynchronous call that runs."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self) -> bool:
        """True for the first who asks: either it runs now, or it never will."""
        with self.lock:
            first, self.taken = not self.taken, True
            return first


class Lane:
    """Runs calls in one thread, in the order of their coming."""

    def __init__(self, name: str, work: Callable[[Call], None]) -> None:
        self._work = work
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"{name} calls", daemon=True).start()

    def put(self, call: Call) -> None:
        """Let a call wait for its turn."""
        self._calls.put(call)

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            if call.take():
                self._work(call)
