"""The real rqdatac in a process of its own, driven by lines of JSON.

rqdatac knows one account per process and changes the process' warning filters, so it never runs
inside the tests' own. Each line names a call of the package; the answer has its value, the error's
class and text, the warnings, and the waits between retries, which are noted and cut short.
"""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

SHORTEST = 0.01
NOISE = (DeprecationWarning, ResourceWarning)
"""What the package warns of without meaning its caller: pandas' future, sockets it leaves open."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to."""

    value: Any = None
    error: str | None = None
    text: str = ""
    warnings: list[str] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)

    @property
    def rows(self) -> list[dict]:
        """A frame's rows, with the index among the columns."""
        assert self.error is None, (self.error, self.text)
        return [] if self.value is None else self.value["rows"]


class RealClient:
    """A child process with the real package, as seen by a test."""

    def __init__(self, zone: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RQDATAC")}
        self._child = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "TZ": zone, "no_proxy": "*"},
        )

    def __call__(self, name: str, *args, **kwargs) -> Outcome:
        assert self._child.stdin
        assert self._child.stdout
        line = json.dumps({"name": name, "args": args, "kwargs": kwargs})
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return Outcome(**json.loads(self._child.stdout.readline()))

    def log_in(self, port: int, user: str, password: str, **settings) -> Outcome:
        """A fresh pool of one connection to the server on ``port``; nothing is asked yet."""
        settings = {"use_pool": True, "max_pool_size": 1, "timeout": 10} | settings
        settings |= {"auto_load_plugins": False}
        return self("init", user, password, f"127.0.0.1:{port}", **settings)

    def stop(self) -> None:
        self._child.kill()
        self._child.communicate()


class Feed:
    """A live client of the package, listened to by a thread."""

    def __init__(self, url: str, channels: list[str]) -> None:
        import rqdatac

        self._client = rqdatac.LiveMarketDataClient(url)
        self._client.subscribe(channels)
        self._messages: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for message in self._client.listen():
                self._messages.put(message)
        except Exception as error:  # noqa: BLE001 - the test asks which one
            self._messages.put({"error": type(error).__name__})

    def take(self, count: int, seconds: float = 5.0) -> list[dict]:
        return [self._messages.get(timeout=seconds) for _ in range(count)]

    def leave(self, channels: list[str]) -> None:
        self._client.unsubscribe(channels)

    def close(self) -> None:
        self._client.close()


def main() -> None:
    """Answer every line until there are no more."""
    import rqdatac

    sleeps: list[float] = []
    really_sleep = time.sleep

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        really_sleep(min(seconds, SHORTEST))

    time.sleep = sleep
    feeds: list[Feed] = []
    answers = sys.stdout
    sys.stdout = sys.stderr  # the package prints where it likes
    for line in sys.stdin:
        asked = json.loads(line)
        sleeps.clear()
        outcome: dict = {}
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                call = _find(rqdatac, feeds, asked["name"])
                outcome["value"] = _plain(call(*asked["args"], **asked["kwargs"]))
            except Exception as error:  # noqa: BLE001 - the test asks which one
                outcome |= {"error": type(error).__name__, "text": str(error)}
        ours = [str(w.message) for w in heard if not issubclass(w.category, NOISE)]
        outcome |= {"warnings": ours, "sleeps": list(sleeps)}
        answers.write(json.dumps(outcome) + "\n")
        answers.flush()


def _find(package: Any, feeds: list[Feed], name: str) -> Callable:
    if name == "live":
        return lambda url, channels: feeds.append(Feed(url, channels))
    if name.startswith("live."):
        return getattr(feeds[-1], name.removeprefix("live."))
    if name == "execute":
        from rqdatac.client import get_client

        return get_client().execute
    found = package
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _plain(value: Any) -> Any:
    """The value as JSON can carry it; instants as ISO text."""
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.Series | pd.DataFrame):
        return _frame(pd.DataFrame(value))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        value = None
    elif isinstance(value, date):  # instants are dates too
        value = value.isoformat()
    simple = value is None or isinstance(value, str | int | float)
    return value if simple else _thing(value)


def _frame(frame: Any) -> dict:
    """Rows with the index among the columns."""
    flat = frame.reset_index()
    rows = [{str(k): _plain(v) for k, v in row.items()} for row in flat.to_dict("records")]
    kinds = {str(name): str(kind) for name, kind in frame.dtypes.items()}
    return {"rows": rows, "dtypes": kinds, "index": [str(name) for name in frame.index.names]}


def _thing(value: Any) -> Any:
    """What an object of the package tells: a snapshot by its properties, else its attributes."""
    if hasattr(value, "asks"):
        names = [name for name in dir(value) if not name.startswith("_")]
        return {name: _plain(getattr(value, name)) for name in names}
    return _plain(vars(value))


if __name__ == "__main__":
    main()
