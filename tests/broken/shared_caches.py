"""A shared cache with leases and messages that keeps every demand, and its broken twins."""

from __future__ import annotations

import asyncio
import time

from broken.good import SharedCache
from broken.twin import Twin

from argus_core import Lease


class Exchange(SharedCache):
    """Leases and listeners are shared like the values, as on a server."""

    def until(self, seconds):
        return time.monotonic() + seconds

    def standing(self, key):
        lease, ends = LEASES.get(key, (None, 0.0))
        return lease if time.monotonic() < ends else None

    async def lease(self, keys, owner, seconds):
        self.check()
        return {key: self.leased(key, owner, seconds) for key in keys}

    def leased(self, key, owner, seconds):
        lease = self.standing(key)
        if lease is not None and lease.note is None and lease.owner != owner:
            return lease.owner
        LEASES[key] = (Lease(owner), self.until(seconds))
        return owner

    async def settle(self, keys, owner, note, seconds):
        self.check()
        for key in keys:
            if self.mine(self.standing(key), owner):
                LEASES[key] = (Lease(owner, note), self.until(seconds))

    def mine(self, lease, owner):
        return lease == Lease(owner)

    async def leases(self, keys):
        self.check()
        return {key: lease for key in keys if (lease := self.standing(key)) is not None}

    async def publish(self, channel, messages):
        self.check()
        for queue in QUEUES.get(channel, ()):
            for message in messages:
                queue.put_nowait(message)

    async def listen(self, channel, heard):
        queue = asyncio.Queue()
        QUEUES.setdefault(channel, []).append(queue)
        try:
            self.connected(heard)
            while True:
                if self.trouble.now:
                    while self.trouble.now:  # noqa: ASYNC110 - a server does not tell either
                        await asyncio.sleep(0.001)
                    self.reconnected(heard)
                try:
                    async with asyncio.timeout(0.005):
                        message = await queue.get()
                except TimeoutError:
                    continue
                heard(message)
        finally:
            QUEUES[channel].remove(queue)

    def connected(self, heard):
        heard(None)

    def reconnected(self, heard):
        heard(None)


LEASES: dict[str, tuple[Lease, float]] = {}
QUEUES: dict[str, list[asyncio.Queue]] = {}


class LooksThenTakes(Exchange):
    async def lease(self, keys, owner, seconds):
        keys = [*keys]
        found = await self.leases(keys)
        held = {key: lease.owner for key, lease in found.items() if lease.note is None}
        await asyncio.sleep(0)
        taken = {key: owner for key in keys if held.get(key, owner) == owner}
        LEASES.update({key: (Lease(owner), self.until(seconds)) for key in taken})
        return held | taken


class ForeverMine(Exchange):
    def until(self, seconds):
        return super().until(max(seconds, 60))


class WholeSecondLeases(Exchange):
    def until(self, seconds):
        return super().until(int(seconds))


class NeverProlongs(Exchange):
    def leased(self, key, owner, seconds):
        mine = self.mine(self.standing(key), owner)
        return owner if mine else super().leased(key, owner, seconds)


class ForgetsNotes(Exchange):
    async def settle(self, keys, owner, note, seconds):
        await super().settle(keys, owner, note, seconds)
        for key in [key for key in keys if LEASES.get(key, (None, 0))[0] == Lease(owner, note)]:
            del LEASES[key]


class EmptyNoteIsNone(Exchange):
    async def settle(self, keys, owner, note, seconds):
        await super().settle(keys, owner, note or None, seconds)


class SettlesForAnybody(Exchange):
    def mine(self, lease, owner):
        return lease is not None


class SettlesNothing(Exchange):
    def mine(self, lease, owner):
        return lease is None or super().mine(lease, owner)


class ClearsLeases(Exchange):
    async def delete_prefix(self, prefix):
        for key in [key for key in LEASES if key.startswith(prefix)]:
            del LEASES[key]
        return await super().delete_prefix(prefix)


class CountsLeases(Exchange):
    async def delete_prefix(self, prefix):
        entries, freed = await super().delete_prefix(prefix)
        return entries + sum(key.startswith(prefix) for key in LEASES), freed


class TextOnly(Exchange):
    async def publish(self, channel, messages):
        texts = [message.decode("ascii", "replace").encode() for message in messages]
        await super().publish(channel, texts)


class LastOneWins(Exchange):
    async def publish(self, channel, messages):
        for queue in QUEUES.get(channel, ()):
            while not queue.empty():
                queue.get_nowait()
        await super().publish(channel, messages)


class OneChannel(Exchange):
    async def publish(self, channel, messages):
        for each in QUEUES:
            await super().publish(each, messages)


class FirstOnly(Exchange):
    async def publish(self, channel, messages):
        await super().publish(channel, messages[:1])


class SaysNothingAgain(Exchange):
    def reconnected(self, heard):
        pass


class CannotBeStopped(Exchange):
    async def listen(self, channel, heard):
        try:
            await super().listen(channel, heard)
        except asyncio.CancelledError:
            return


class LendsWithoutAStore(Exchange):
    async def lease(self, keys, owner, seconds):
        if self.trouble.now:
            return dict.fromkeys(keys, owner)
        return await super().lease(keys, owner, seconds)


SHARED = {"shared": True}

TWINS = (
    Twin("CCH-20", LooksThenTakes, options=SHARED),
    Twin("CCH-21", ForeverMine, frozenset({"CCH-22"}), options=SHARED),
    Twin("CCH-21", WholeSecondLeases, frozenset({"CCH-22"}), options=SHARED),
    Twin("CCH-21", NeverProlongs, options=SHARED),
    Twin("CCH-22", ForgetsNotes, options=SHARED),
    Twin("CCH-22", EmptyNoteIsNone, options=SHARED),
    Twin("CCH-23", SettlesForAnybody, options=SHARED),
    Twin("CCH-23", SettlesNothing, options=SHARED),
    Twin("CCH-24", ClearsLeases, options=SHARED),
    Twin("CCH-24", CountsLeases, options=SHARED),
    Twin("CCH-25", TextOnly, frozenset({"CCH-26"}), options=SHARED),
    Twin("CCH-25", LastOneWins, options=SHARED),
    Twin("CCH-25", OneChannel, options=SHARED),
    Twin("CCH-25", FirstOnly, options=SHARED),
    Twin("CCH-26", SaysNothingAgain, options=SHARED),
    Twin("CCH-25", CannotBeStopped, frozenset({"CCH-26"}), options=SHARED),
    Twin("CCH-27", LendsWithoutAStore, options=SHARED),
)
