"""A second node asked for what the first is slow with; the first good answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from argus_core.model.query import Query
from argus_core.routing.load.gate import Gate
from argus_core.routing.node import Reply

QUANTILE = 0.95
"""Only a call that is slower than this part of the pool's answers is worth a second one."""
FLOOR = 0.05
"""Seconds below which nothing is slow."""
GRACE = 0.05
"""Seconds that the loser has to come to its end, before the winner's answer goes out."""

Asking = Coroutine[Any, Any, Reply]


def patience(gate: Gate, query: Query) -> float | None:
    """Seconds after which a second node is worth asking; None where none may be.

    That is where the pool does not say ``hedge``, where asking twice would do something twice, and
    while too few answers are known to tell what is slow.
    """
    if not (gate.limits.hedge and query.idempotent):
        return None
    usual = gate.quantile(QUANTILE)
    return None if usual is None else max(FLOOR, usual)


async def raced(
    first: Asking, after: float, second: Callable[[], Asking | None]
) -> tuple[Reply, ...]:
    """What the first call said, or what both said, up to the first good answer.

    ``second`` begins the other call ``after`` seconds, if there may be one. Whoever is still being
    asked when a good answer is there is given up.
    """
    calls = [asyncio.ensure_future(first)]
    try:
        await asyncio.wait(calls, timeout=after)
        if not calls[0].done() and (other := second()) is not None:
            calls.append(asyncio.ensure_future(other))
        replies: list[Reply] = []
        pending = set(calls)
        while pending and not any(_good(reply) for reply in replies):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            replies.extend(call.result() for call in calls if call in done)
        return tuple(replies)
    finally:
        losers = [call for call in calls if call.cancel()]
        if losers:
            await asyncio.wait(losers, timeout=GRACE)


def _good(reply: Reply) -> bool:
    return bool(reply.asked) and reply.error is None and not reply.false
