"""Hearing what other gateways publish, over every loss of the connection."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from argus_core import CacheError, Heard
from argus_redis.link import Link
from argus_redis.sending import unknown

log = logging.getLogger(__name__)

PULSE = 10.0
"""Seconds of silence after which the server is asked whether it is there."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
_MESSAGES = frozenset({"message", "smessage"})


async def listen(link: Link, channel: bytes, heard: Heard) -> None:
    """Hand messages to ``heard`` until cancelled; ``None`` says that a connection stands."""
    waits = pauses()
    standing = True
    while True:
        try:
            async with aclosing(_messages(link, channel)) as arriving:
                async for message in arriving:
                    if message is None:
                        waits, standing = pauses(), True
                    heard(message)
        except CacheError as error:
            if standing:  # once for each outage
                log.warning("no messages of other gateways for now: %s", error.message)
            standing = False
        await asyncio.sleep(next(waits))


def pauses() -> Iterator[float]:
    """Seconds between two attempts to connect: longer and longer.

    Chance has a part in them, so that the gateways of one server do not come back all at once.
    """
    longest = FIRST_PAUSE
    while True:
        yield longest * random.uniform(0.5, 1)
        longest = min(longest * 2, LONGEST_PAUSE)


async def _messages(link: Link, channel: bytes) -> AsyncGenerator[bytes | None]:
    """``None`` when the server has taken the subscription, then messages, until it is lost."""
    client = link.client(connections=1)
    pubsub = client.pubsub()
    try:
        async with link.limited():
            await _subscribed(pubsub, channel)
        yield None
        async with aclosing(_arriving(link, pubsub)) as arriving:
            async for message in arriving:
                if message["type"] in _MESSAGES:
                    yield bytes(message["data"])
    finally:
        await pubsub.aclose()
        await client.aclose()


async def _subscribed(pubsub: Any, channel: bytes) -> None:
    """Return when the server has taken the subscription: a sharded one, if it has these."""
    await pubsub.ssubscribe(channel)
    try:
        await pubsub.get_message(timeout=None)
    except Exception as error:
        if not unknown(error):
            raise
        await pubsub.subscribe(channel)
        await pubsub.get_message(timeout=None)


async def _arriving(link: Link, pubsub: Any) -> AsyncGenerator[dict[str, Any]]:
    """Everything that the server sends; after two pulses of silence it counts as lost."""
    asked = False
    while True:
        try:
            message = await pubsub.get_message(timeout=PULSE)
        except Exception as error:
            raise CacheError(f"redis at {link.place} failed: {type(error).__name__}") from error
        if message is not None:
            asked = False
            yield message
        elif asked:
            raise CacheError(f"redis at {link.place} has gone silent")
        else:
            async with link.limited():
                await pubsub.ping()
            asked = True
