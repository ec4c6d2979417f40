"""Questions of one edge to all of them, by way of the supervisor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from argus_cli.processes.place import Place
from argus_cli.processes.process import Process
from argus_cli.processes.words import DO, REPLIES, Message

log = logging.getLogger("argus.processes")

ANSWERING = 5.0
"""Seconds within which an edge answers for itself."""


@dataclass(slots=True)
class _Round:
    """What came of one question so far; None stands for an edge that has not answered."""

    answers: dict[str, Any]
    open: set[str]
    whole: asyncio.Event = field(default_factory=asyncio.Event)


class Rounds:
    """The questions that are going round."""

    def __init__(self, edges: Sequence[Place]) -> None:
        self._edges = edges
        self._count = 0
        self._rounds: dict[int, _Round] = {}

    async def ask(self, asker: Process, message: Message) -> None:
        """Ask every edge, and tell the one that asked what they answered."""
        self._count += 1
        number = self._count
        names = [edge.name for edge in self._edges]
        around = self._rounds[number] = _Round(dict.fromkeys(names), set(names))
        request = {key: message[key] for key in ("method", "path", "query")}
        try:
            for edge in self._edges:
                edge.tell({"is": DO, "id": number, **request})
            async with asyncio.timeout(ANSWERING):
                await around.whole.wait()
        except TimeoutError:
            log.warning("no answer from %s", ", ".join(sorted(around.open)))
        finally:
            del self._rounds[number]
        asker.tell({"is": REPLIES, "id": message["id"], "replies": around.answers})

    def answered(self, process: Process, message: Message) -> None:
        """Book an edge's answer."""
        around = self._rounds.get(message["id"])
        if around is None:
            return
        around.answers[process.name] = message["body"]
        around.open.discard(process.name)
        if not around.open:
            around.whole.set()
