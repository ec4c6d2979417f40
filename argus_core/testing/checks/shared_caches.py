"""CCH, from 20: what a tier that several processes share may offer besides its values."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from argus_core.errors import CacheError
from argus_core.extend.cache import Cache, Lease
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.subject import Subject

_LONG = 600.0
_SHORT = 0.3
_LATER = 0.45
_PATIENCE = 10.0
_RIVALS = 50
_EVERY_BYTE = bytes(range(256))
_CHANNEL = "conformance"


class Two:
    """Two open instances with the same settings, and keys that nobody else uses."""

    def __init__(self, subject: Subject) -> None:
        self.one: Cache = subject.make("one")
        self.other: Cache = subject.make("other")
        self.prefix = f"conformance:{uuid4().hex}:"

    def key(self, name: str) -> str:
        """A key that only this check uses."""
        return self.prefix + name

    async def holder(self, cache: Cache, owner: str, seconds: float = _LONG) -> str | None:
        """Who holds the key ``a`` after ``owner`` has asked for it."""
        return (await cache.lease([self.key("a")], owner, seconds)).get(self.key("a"))

    async def lease(self, cache: Cache) -> Lease | None:
        """What stands about the key ``a``."""
        return (await cache.leases([self.key("a")])).get(self.key("a"))


@asynccontextmanager
async def two(subject: Subject) -> AsyncGenerator[Two]:
    """Two open instances, closed again."""
    both = Two(subject)
    try:
        await both.one.open()
        await both.other.open()
        yield both
        await both.one.delete_prefix(both.prefix)
    finally:
        await both.one.close()
        await both.other.close()


@asynccontextmanager
async def lenders(subject: Subject) -> AsyncGenerator[Two]:
    """Two open instances of a tier that lends."""
    if not subject.cls.lends():
        skip("it offers no leases")
    async with two(subject) as both:
        yield both


class Ear:
    """What a listener has heard so far."""

    def __init__(self) -> None:
        self.heard: list[bytes | None] = []
        self._more = asyncio.Event()

    def __call__(self, message: bytes | None) -> None:
        """Hear a message."""
        self.heard.append(message)
        self._more.set()

    async def until(self, what: Callable[[list[bytes | None]], bool]) -> bool:
        """True as soon as ``what`` is true of what was heard; False if that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while not what(self.heard):
                    self._more.clear()
                    await self._more.wait()
        return what(self.heard)


@asynccontextmanager
async def listening(cache: Cache) -> AsyncGenerator[Ear]:
    """A listener of a tier that speaks, connected; it must end when it is cancelled."""
    ear = Ear()
    task = asyncio.create_task(cache.listen(_CHANNEL, ear))
    try:
        demand(await ear.until(bool), f"for {_PATIENCE:.0f} s `listen` handed over nothing")
        demand(ear.heard[0] is None, f"the first it heard is {ear.heard[0]!r}, not `None`")
        yield ear
        demand(not task.done(), "`listen` returned without being cancelled")
    finally:
        task.cancel()
        _, hangs = await asyncio.wait([task], timeout=_PATIENCE)
    demand(not hangs, "`listen` goes on after it was cancelled")
    demand(task.cancelled(), "`listen` swallowed its cancellation: let it out")


def _must_speak(subject: Subject) -> None:
    if not subject.cls.speaks():
        skip("it offers no messages")


@check("CCH-20")
async def one_holder(subject: Subject) -> None:
    """Of many that ask for the same keys at once one gets them, and all are told who it is.

    Else a thousand processes fetch the same quote. Skipped where the tier offers no leases.
    """
    async with lenders(subject) as both:
        keys = [both.key(name) for name in ("a", "中文 *", "c")]
        asked = (
            (both.one if number % 2 else both.other).lease(keys, f"owner {number}", _LONG)
            for number in range(_RIVALS)
        )
        answers = await asyncio.gather(*asked)
        for key in keys:
            told = {answer.get(key) for answer in answers}
            demand(None not in told, "`lease` must name the holder of every key that was asked for")
            demand(
                len(told) == 1, f"{_RIVALS} asked at once, and {len(told)} were told it is theirs"
            )
        demand(await both.one.lease([], "owner", _LONG) == {}, "no keys have no holders")


@check("CCH-21")
async def leases_end(subject: Subject) -> None:
    """A lease lasts its seconds, in fractions too; its holder may prolong it, and then it is free.

    A holder that works long keeps its keys, one that dies must not block them. Skipped where the
    tier offers no leases.
    """
    async with lenders(subject) as both:
        await both.holder(both.one, "first", _SHORT)
        held = await both.holder(both.other, "second")
        demand(held == "first", f"a lease of {_SHORT} s was gone at once, held by {held!r}")
        await asyncio.sleep(_LATER)
        demand(await both.lease(both.one) is None, "a lease that ran out is still told of")
        free = await both.holder(both.other, "second")
        demand(free == "second", f"after {_LATER} s a lease of {_SHORT} s is held by {free!r}")
        for seconds in (_SHORT, _LONG):
            again = (await both.one.lease([both.key("b")], "first", seconds)).get(both.key("b"))
            demand(again == "first", f"asking anew for its own lease it hears of {again!r}")
        await asyncio.sleep(_LATER)
        kept = await both.other.leases([both.key("b")])
        demand(kept == {both.key("b"): Lease("first")}, "asking anew did not prolong a lease")


@check("CCH-22")
async def settled_leases(subject: Subject) -> None:
    """A settled lease is free at once and leaves its note for the seconds given.

    Those who waited read there why they get nothing. Skipped where the tier offers no leases.
    """
    async with lenders(subject) as both:
        await both.holder(both.one, "first")
        held = await both.lease(both.other)
        demand(held == Lease("first"), f"a held lease is told of as {held}")
        await both.one.settle([both.key("a")], "first", _EVERY_BYTE, _LONG)
        left = await both.lease(both.other)
        demand(left == Lease("first", _EVERY_BYTE), f"a settled lease is told of as {left}")
        taken = await both.holder(both.other, "second")
        demand(taken == "second", f"a settled lease is still held by {taken!r}")
        now = await both.lease(both.one)
        demand(now == Lease("second"), f"taken anew, the lease is told of as {now}")
        await both.other.settle([both.key("a")], "second", b"", _SHORT)
        empty = await both.lease(both.one)
        demand(empty == Lease("second", b""), f"settled with an empty note it is {empty}")
        await asyncio.sleep(_LATER)
        gone = await both.lease(both.one)
        demand(gone is None, f"a note of {_SHORT} s is still there after {_LATER} s")


@check("CCH-23")
async def strangers_leases(subject: Subject) -> None:
    """`settle` ends the leases of its owner only, and makes none where there is none.

    One that was too slow must not end the lease of whoever came after him. Skipped where the tier
    offers no leases.
    """
    async with lenders(subject) as both:
        await both.holder(both.one, "first")
        await both.one.settle([both.key("a"), both.key("b")], "second", b"note", _LONG)
        left = await both.lease(both.other)
        demand(left == Lease("first"), f"settled by somebody else the lease is told of as {left}")
        made = await both.one.leases([both.key("b")])
        demand(made == {}, f"settling what was never leased left {made}")


@check("CCH-24")
async def leases_apart(subject: Subject) -> None:
    """Leases live apart from values: deleting and reading values does not see them.

    A cleared cache is filled again, and then the leases are needed most. Skipped where the tier
    offers no leases.
    """
    async with lenders(subject) as both:
        key = both.key("a")
        await both.holder(both.one, "first")
        demand(await both.one.get_many([key]) == {}, "a lease shows as a value")
        await both.one.set_many({key: b"value"}, _LONG)
        demand(
            await both.lease(both.one) == Lease("first"), "a value replaced the lease of its key"
        )
        gone = await both.one.delete_prefix(both.prefix)
        demand(gone[0] == 1, f"there was one value, and `delete_prefix` counts {gone[0]}")
        await both.one.delete_many([key])
        demand(await both.lease(both.one) == Lease("first"), "deleting values ended a lease")


@check("CCH-25")
async def messages(subject: Subject) -> None:
    """A message reaches another instance with the same settings, its bytes unchanged, in order.

    Those of another channel do not. Skipped where the tier offers no messages.
    """
    _must_speak(subject)
    mark = uuid4().bytes
    sent = [mark + bytes([number]) + _EVERY_BYTE for number in range(10)]
    async with two(subject) as both, listening(both.other) as ear:
        await both.one.publish(_CHANNEL, sent[:1])
        await both.one.publish(f"{_CHANNEL}.other", (mark,))
        await both.one.publish(_CHANNEL, ())
        await both.one.publish(_CHANNEL, sent[1:])

        def came(heard: list[bytes | None]) -> bool:
            return [one for one in heard if one is not None and mark in one] == sent

        whole = await ear.until(came)
        same = sum(message in ear.heard for message in sent)
        demand(
            whole, f"of {len(sent)} messages {same} came to the other unchanged, or not in order"
        )


@check("CCH-26")
async def missed_messages(subject: Subject) -> None:
    """A listener hears `None` first, and again when it has lost its store and found it again.

    Messages may have been missed meanwhile. The loss is tried with fault `disconnect`. Skipped
    where the tier offers no messages.
    """
    _must_speak(subject)
    fault = subject.faults.get("disconnect")
    async with two(subject) as both, listening(both.other) as ear:
        if fault is None:
            return
        with fault():
            await refused(both.one.publish(_CHANNEL, (b"lost",)))
            await asyncio.sleep(_SHORT)  # for those that look after their store now and then
            before = len(ear.heard)
        again = await ear.until(lambda heard: None in heard[before:])
        demand(again, f"its store is back for {_PATIENCE:.0f} s, and it did not say `None`")
        last = uuid4().bytes
        await both.one.publish(_CHANNEL, (last,))
        demand(await ear.until(lambda heard: last in heard), "connected anew it hears nothing")


@check("CCH-27")
async def lost_leases(subject: Subject) -> None:
    """Leases of a store that is gone are a `CacheError` within seconds, never a lease.

    The gateway then does without. Fault `disconnect`; skipped where the tier offers no leases.
    """
    fault = subject.faults.get("disconnect")
    if fault is None:
        skip("no fault 'disconnect' was given: override `faults`")
    async with lenders(subject) as both:
        keys = [both.key("a")]
        with fault():
            await refused(both.one.lease(keys, "first", _LONG))
            await refused(both.one.leases(keys))
            await refused(both.one.settle(keys, "first", b"note", _LONG))
        again = await both.holder(both.one, "first")
        demand(again == "first", "when the store is back it gives no leases")


async def refused(call: Awaitable[object]) -> None:
    """Return if the call raises CacheError in time."""
    limit = asyncio.timeout(_PATIENCE)
    try:
        async with limit:
            await call
    except CacheError:
        return
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is judged
        demand(not limit.expired(), f"it hung for {_PATIENCE:.0f} s: give its calls a limit")
        raise Failed(f"it raised {type(error).__name__}: raise CacheError") from None
    raise Failed("it went on as if its store were there: raise CacheError")


CHECKS: tuple[Check, ...] = (
    one_holder,
    leases_end,
    settled_leases,
    strangers_leases,
    leases_apart,
    messages,
    missed_messages,
    lost_leases,
)
