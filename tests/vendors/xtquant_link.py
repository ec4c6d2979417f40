"""How the stand-in for the native client is tied to its server, and on which threads it calls back.

Waiting for an answer releases the GIL, as the library does; callbacks come on threads that Python's
``threading`` did not start; hanging is done in C, with or without the GIL.
"""

from __future__ import annotations

import _thread
import ctypes
import importlib
import itertools
import queue
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from vendors.xtquant_wire import Wire

DISCONNECTED = "行情服务连接断开"
DISPATCHERS = 4


def bson() -> Any:
    """The shipped package's BSON, which cannot be imported before xtquant is."""
    return importlib.import_module("xtquant.xtbson").BSON


def _sleep(library: Any, seconds: float) -> None:
    """Sleep inside C; the library decides whether the GIL is held meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if left >= 1:
            library.sleep(int(left))
        else:
            library.usleep(int(left * 1e6) + 1)


class Link:
    """One native client's link, its reader and its dispatcher threads."""

    def __init__(self) -> None:
        self.address = ""
        self._wire: Wire | None = None
        self.about: dict[str, Any] = {}
        self._watch: Callable[[bytes], object] | None = None
        self.numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[dict]] = {}
        self.callbacks: dict[int, Callable[[Any], object]] = {}
        self._keys: dict[int, int] = {}
        self._work: list[queue.SimpleQueue[Callable[[], object] | None]] = []

    def set_config_addr(self, address: str) -> None:
        self.address = address

    def registerCommonControlCallback(self, name: str, callback: Any) -> bool:  # noqa: N802
        self._watch = callback
        return True

    def connect(self) -> tuple[int, str]:
        """Zero and nothing, or a negative code and its reason."""
        host, _, port = self.address.partition(":")
        try:
            connection = socket.create_connection((host, int(port)), timeout=10)
        except OSError as error:
            return -1, f"connect {self.address} failed: {error}"
        connection.settimeout(None)
        self._wire = wire = Wire(connection)
        self._work = [queue.SimpleQueue() for _ in range(DISPATCHERS)]
        for work in self._work:
            _thread.start_new_thread(_dispatch, (work,))
        _thread.start_new_thread(self._read, (wire,))
        try:
            self.about = self.call("connect", self.address)
        except RuntimeError as error:
            self.shutdown()
            return -2, str(error)
        self._tell("connected")
        return 0, ""

    def is_connected(self) -> bool:
        return self._wire is not None

    def shutdown(self) -> None:
        wire, self._wire = self._wire, None
        if wire:
            wire.close()

    # --- the link

    def call(self, method: str, *args: Any, key: int = 0) -> Any:
        """The answer of the other end; RuntimeError with its words, or when the link ends."""
        wire, number = self._wire, next(self.numbers)
        if wire is None:
            raise RuntimeError(DISCONNECTED)
        self._waiting[number] = answers = queue.SimpleQueue()
        try:
            wire.send({"id": number, "method": method, "args": args, "key": key})
            if self._wire is None:  # the reader may have ended before it saw this call
                raise RuntimeError(DISCONNECTED)
            answer = answers.get()
        except OSError as error:
            raise RuntimeError(DISCONNECTED) from error
        finally:
            del self._waiting[number]
        if do := answer.get("do"):
            self._suffer(*do)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        if do and do[0] == "broken_json" and method == "get_full_tick":
            return {"}": answer["result"]}  # no code is spelled so
        return answer["result"]

    def _suffer(self, fault: str, seconds: float) -> None:
        if fault == "hang_gil_held":
            _sleep(ctypes.PyDLL(None), seconds)
        elif fault in ("hang_gil_released", "slow"):
            _sleep(ctypes.CDLL(None), seconds)

    def _read(self, wire: Wire) -> None:
        """Runs on a native thread until the link ends."""
        for frame in wire.frames():
            if "push" in frame:
                self._pushed(frame["push"], frame["data"])
            elif "progress" in frame:
                self._progressed(frame["progress"], frame["data"])
            elif waiting := self._waiting.get(frame["id"]):
                waiting.put(frame)
        cut = self._wire is wire
        if cut:
            self._wire = None
        wire.close()
        for waiting in list(self._waiting.values()):
            waiting.put({"error": DISCONNECTED})
        if cut:
            self._tell("disconnected")
        for work in self._work:
            work.put(None)

    def _pushed(self, key: int, data: dict) -> None:
        def deliver() -> None:
            if callback := self.callbacks.get(key):
                callback(bytes(bson().encode(data)))

        lane = key if self.about.get("ordered", True) else next(self.numbers)
        self._work[lane % DISPATCHERS].put(deliver)

    def _progressed(self, key: int, data: dict) -> None:
        def deliver() -> None:
            callback = self.callbacks.get(key)
            if callback is None:
                return
            if "result" in data:
                data["result"] = bytes(bson().encode(data["result"]))
            if callback(data):
                self.callbacks.pop(key, None)

        self._work[key % DISPATCHERS].put(deliver)

    def _tell(self, status: str) -> None:
        if watch := self._watch:
            news = bytes(bson().encode({"address": self.address, "status": status}))
            self._work[0].put(lambda: watch(news))


def _dispatch(work: queue.SimpleQueue[Callable[[], object] | None]) -> None:
    """Runs callbacks on a thread that Python's threading knows nothing of."""
    while deliver := work.get():
        try:
            deliver()
        except Exception as error:  # noqa: BLE001 - native code has nobody to raise it to
            print(f"native callback: {error!r}", file=sys.stderr)  # noqa: T201
