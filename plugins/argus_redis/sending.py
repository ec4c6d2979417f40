"""Sending what other gateways hear, on a sharded channel where the server has these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNKNOWN = "unknown command"
"""How a server begins that does not know a command."""


async def send(redis: Any, channel: bytes, messages: Sequence[bytes]) -> None:
    """Send the messages in order, in one round trip; two where the server is older than 7.

    What it is, is asked each time: the server may be another one the next time, and whoever
    sends on one kind of channel is not heard on the other.
    """
    try:
        await _sent(redis, "SPUBLISH", channel, messages)
    except Exception as error:
        if not unknown(error):
            raise
        await _sent(redis, "PUBLISH", channel, messages)


def unknown(error: BaseException) -> bool:
    """True if the server does not know the command that was sent."""
    return type(error).__name__ == "ResponseError" and str(error).startswith(UNKNOWN)


async def _sent(redis: Any, command: str, channel: bytes, messages: Sequence[bytes]) -> None:
    if len(messages) == 1:
        await redis.execute_command(command, channel, messages[0])
        return
    pipeline = redis.pipeline(transaction=False)
    for message in messages:
        pipeline.execute_command(command, channel, message)
    # Told to raise, it would quote the command, and with it what stands in the message.
    for reply in await pipeline.execute(raise_on_error=False):
        if isinstance(reply, Exception):
            raise reply
