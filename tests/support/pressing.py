"""Clients that keep asking while something is done to a server."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
from support.process import PLAINLY


@dataclass
class Seen:
    """What the clients saw: answers by status, and what broke."""

    statuses: Counter = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    refused: int = 0
    farewells: int = 0
    """Answers that closed their connection."""


@contextlib.contextmanager
def pressing(url: str, path: str, *, clients: int = 4, pause: float = 0.01) -> Iterator[Seen]:
    """So many clients that ask ``path`` over and over, each on a connection that it keeps.

    Between two questions a client waits ``pause`` seconds, so that others find the time to start.

    A connection that nobody accepts is counted apart: there is no server then, and no request.
    """
    seen, stop = Seen(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=20, **PLAINLY) as client:
            while not stop.is_set():
                try:
                    reply = client.get(path)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    seen.refused += 1
                    stop.wait(0.02)
                except httpx.HTTPError as error:
                    seen.broken.append(repr(error))
                else:
                    seen.statuses[reply.status_code] += 1
                    seen.farewells += reply.headers.get("connection") == "close"
                    stop.wait(pause)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
