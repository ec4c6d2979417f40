"""SRC-50 to SRC-56: each trouble of the vendor as the error that the router can act upon.

Each needs its fault, a context manager in which the vendor behaves so; without it the check is
skipped. When the trouble is over the source answers again.
"""

from __future__ import annotations

import asyncio

from argus_core.errors import (
    ArgusError,
    BadData,
    LoginFailed,
    PermissionDenied,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_core.model.query import Query
from argus_core.testing.check import Check, Failed, Skipped, check, demand, skip
from argus_core.testing.questions import Asking, asking, datasets
from argus_core.testing.subject import Fault, Subject

_PATIENCE = 20.0
"""Seconds after which a source that gives no sign counts as hanging; deadlines are shorter."""


@check("SRC-50")
async def silent_vendor(subject: Subject) -> None:
    """A vendor that does not answer is `SourceTimeout` or `SourceUnavailable`, within its time.

    Or the call just waits, and can be cancelled: the gateway has a deadline. Fault `timeout`.
    """
    async with asking(subject) as it:
        await _expect(it, "timeout", (SourceTimeout, SourceUnavailable), waits=True)


@check("SRC-51")
async def lost_connection(subject: Subject) -> None:
    """A refused or broken connection is `SourceUnavailable` (or `SourceTimeout`).

    It is retried and cools down for seconds. Fault `disconnect`.
    """
    async with asking(subject) as it:
        await _expect(it, "disconnect", (SourceUnavailable, SourceTimeout))


@check("SRC-52")
async def used_up_quota(subject: Subject) -> None:
    """A rate or quota that is used up is `Throttled`, with `retry_after` where the vendor says.

    Anything else would be asked again at once, and make it worse. Fault `quota`.
    """
    async with asking(subject) as it:
        await _expect(it, "quota", (Throttled,), recovers=False)


@check("SRC-53")
async def missing_permission(subject: Subject) -> None:
    """A dataset that the account may not read is `PermissionDenied`, never an empty answer.

    Fault `no_permission`.
    """
    async with asking(subject) as it:
        await _expect(it, "no_permission", (PermissionDenied,), recovers=False)


@check("SRC-54")
async def refused_login(subject: Subject) -> None:
    """A wrong or expired token is `LoginFailed`, in `open` or at the first question.

    The whole source is then passed over for minutes. Fault `bad_token`.
    """
    fault = _fault(subject, "bad_token")
    try:
        async with asking(subject) as it:
            query = await _question(it)
        with fault():
            async with asking(subject) as it:
                reply = await it.raw(query)
    except LoginFailed:
        return
    except ArgusError as error:
        raise Failed(f"a refused token raised {type(error).__name__}, not LoginFailed") from None
    raise Failed(f"with a refused token it answered {type(reply).__name__}: raise LoginFailed")


@check("SRC-55")
async def garbled_answer(subject: Subject) -> None:
    """An answer that makes no sense is `BadData`, never made to fit.

    Or `SourceUnavailable` or `SourceTimeout`, where the vendor's client keeps it to itself. A web
    page instead of JSON, a column missing, half a frame. Fault `garbage`.
    """
    async with asking(subject) as it:
        await _expect(it, "garbage", (BadData, SourceUnavailable, SourceTimeout))


@check("SRC-56")
async def empty_answer(subject: Subject) -> None:
    """An answer without rows is empty; an answer without a table is an error.

    "Nothing traded" and "the call failed" must never look the same. Fault `empty`: no rows.
    """
    fault = _fault(subject, "empty")
    async with asking(subject) as it:
        query = await _question(it)
        with fault():
            try:
                reading = await it.ask(query)
            except SourceError as error:
                raise Failed(
                    f"an answer without rows raised {type(error).__name__}: answer nothing"
                ) from None
        demand(not reading.values, "an answer without rows came out as data")
        await _recovered(it, query, "empty")


CHECKS: tuple[Check, ...] = (
    silent_vendor,
    lost_connection,
    used_up_quota,
    missing_permission,
    refused_login,
    garbled_answer,
    empty_answer,
)


def _fault(subject: Subject, name: str) -> Fault:
    fault = subject.faults.get(name)
    return fault or skip(f"no fault {name!r} was given: override `faults`")


async def _question(it: Asking) -> Query:
    """A question that has an answer, so that its failing means something."""
    for dataset in datasets(it.source):
        if symbols := await it.answered(dataset):
            return it.query(dataset, symbols[:1])
    raise Skipped("it answers none of the known symbols")


async def _expect(
    it: Asking,
    name: str,
    expected: tuple[type[SourceError], ...],
    *,
    waits: bool = False,
    recovers: bool = True,
) -> None:
    """The fault raises one of the expected errors, and afterwards there are answers again.

    Unless the source may hold off by itself for a while (``recovers``).
    """
    fault = _fault(it.subject, name)
    query = await _question(it)
    wanted = " or ".join(error.__name__ for error in expected)
    with fault():
        limit = asyncio.timeout(_PATIENCE)
        try:
            async with limit:
                reply = await it.raw(query)
        except expected:
            pass
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is judged here
            if limit.expired():
                demand(waits, f"under {name!r} it hung for {_PATIENCE:.0f} s: raise {wanted}")
            else:
                raise Failed(f"{name!r} raised {type(error).__name__}: raise {wanted}") from None
        else:
            await _unread(it, query, reply, name, expected)
    if recovers:
        await _recovered(it, query, name)


async def _unread(
    it: Asking, query: Query, reply: object, name: str, expected: tuple[type[SourceError], ...]
) -> None:
    """An answer was given although the vendor gave none; the core may still refuse it."""
    del reply
    wanted = " or ".join(error.__name__ for error in expected)
    try:
        reading = await it.ask(query)
    except expected:
        return
    what = "data" if reading.values else "an empty answer"
    raise Failed(f"{name!r} came out as {what}: raise {wanted}")


async def _recovered(it: Asking, query: Query, name: str) -> None:
    reading = await it.ask(query)
    demand(reading.values, f"after {name!r} was over it answered nothing any more")
