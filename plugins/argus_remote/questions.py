"""What is asked over the connection, and the answers that come back among everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson
from websockets.exceptions import ConnectionClosed

from argus_core import ArgusError, PushFrame, SourceTimeout, SourceUnavailable
from argus_remote import refusals

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

ANSWERING = 8.0
"""Seconds within which a question is answered."""


class Questions:
    """The questions that wait for an answer, each under its number."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[PushFrame]] = {}

    async def ask(
        self, socket: ClientConnection, action: str, told: Mapping[str, Any] | None = None
    ) -> PushFrame:
        """The answer to an action; raises what the other one refuses it with."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        body = {"action": action, "id": number, **(told or {})}
        try:
            async with asyncio.timeout(ANSWERING):
                await socket.send(orjson.dumps(body), text=True)
                frame: PushFrame = await answer
                return frame
        except TimeoutError:
            raise SourceTimeout(f"{self._name} did not answer: {action}") from None
        except ConnectionClosed:
            raise SourceUnavailable(f"{self._name} closed its stream") from None
        finally:
            del self._answers[number]
            if answer.done() and not answer.cancelled():
                answer.exception()  # refused while it was still being asked: nobody else looks

    async def tell(self, socket: ClientConnection, action: str, told: Mapping[str, Any]) -> None:
        """Say what needs no answer; to one who is gone, or takes nothing, it is said in vain."""
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(ANSWERING):
                await socket.send(orjson.dumps({"action": action, **told}), text=True)

    def take(self, frame: PushFrame) -> bool:
        """True if a message is the answer to a question that waits; then it is answered."""
        answer = None if frame.id is None else self._answers.get(frame.id)
        if answer is None:
            return False
        if answer.done():
            return True
        if frame.type == "error":
            answer.set_exception(refusals.refused(self._name, frame.code, frame.message))
        else:
            answer.set_result(frame)
        return True

    def refuse(self, error: ArgusError) -> None:
        """Answer whatever waits with an error."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
