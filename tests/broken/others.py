"""Caches, balancers, authenticators and alerters that are wrong in one way each."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import random
import time
from uuid import uuid4

from broken.good import (
    ALERT_TROUBLE,
    SENT,
    GoodAlerter,
    GoodAuthenticator,
    GoodBalancer,
    GoodCache,
    SharedCache,
)
from broken.twin import Twin

from argus_core import BadCredentials, CacheStats, Principal


class Strips(GoodCache):
    async def get_many(self, keys):
        found = await super().get_many(keys)
        return {key: value.rstrip(b"\xff") for key, value in found.items()}


class NoneForMisses(GoodCache):
    async def get_many(self, keys):
        keys = [*keys]
        return dict.fromkeys(keys) | await super().get_many(keys)


class Immortal(GoodCache):
    async def set_many(self, values, ttl):
        await super().set_many(values, max(ttl, 60))


class WholeSeconds(GoodCache):
    async def set_many(self, values, ttl):
        if int(ttl):
            await super().set_many(values, int(ttl))


class FirstComes(GoodCache):
    async def set_many(self, values, ttl):
        new = {key: value for key, value in values.items() if key not in self.entries}
        await super().set_many(new, ttl)


class ShortKeys(GoodCache):
    async def set_many(self, values, ttl):
        kept = {key: value for key, value in values.items() if len(key) < 250 and key.isascii()}
        await super().set_many(kept, ttl)


class Globs(GoodCache):
    async def delete_prefix(self, prefix):
        gone = [k for k in [*self.entries] if fnmatch.fnmatchcase(k, prefix + "*")]
        sizes = [len(self.entries.pop(key)[0]) for key in gone]
        return len(sizes), sum(sizes)


class KeepsBuffers(GoodCache):
    async def set_many(self, values, ttl):
        await super().set_many(values, ttl)
        for key in values.keys() & self.entries.keys():
            self.entries[key] = (values[key], self.entries[key][1])


class OneDraft(GoodCache):
    async def set_many(self, values, ttl):
        self.draft = values
        await asyncio.sleep(0)
        await super().set_many(self.draft, ttl)


class Unbounded(GoodCache):
    BOUND = 1 << 40


class NoCount(GoodCache):
    async def stats(self):
        return CacheStats(entries=0, bytes=0)


class ForeignCacheError(GoodCache):
    def check(self):
        if self.trouble.now:
            raise ConnectionError("the store is gone")


class KeysArePrefixes(GoodCache):
    async def delete_many(self, keys):
        gone = [await self.delete_prefix(key) for key in keys]
        return sum(entries for entries, _ in gone), sum(size for _, size in gone)


class CountsTheAsked(GoodCache):
    async def delete_many(self, keys):
        keys = [*keys]
        _, freed = await super().delete_many(keys)
        return len(keys), freed


class PurgesAll(GoodCache):
    async def purge(self):
        return await self.delete_prefix("")


class PurgesNothing(GoodCache):
    async def purge(self):
        now = time.monotonic()
        sizes = [len(value) for value, ends in self.entries.values() if now >= ends]
        return len(sizes), sum(sizes)


class Forgetful(GoodCache):
    persistent = True


class BeginsAnew(SharedCache):
    async def open(self):
        for key, (value, _) in [*self.entries.items()]:
            self.entries[key] = (value, time.monotonic() + 60)


class Fake(GoodBalancer):
    def pick(self, candidates):
        chosen = super().pick(candidates)
        return type(chosen)(chosen.name, chosen.weight, chosen.in_flight)


class FirstComers(GoodBalancer):
    names: frozenset[str] = frozenset()

    def pick(self, candidates):
        self.names = self.names or frozenset(c.name for c in candidates)
        return super().pick([c for c in candidates if c.name in self.names] or candidates)


class Sorts(GoodBalancer):
    def pick(self, candidates):
        if isinstance(candidates, list):
            candidates.sort(key=lambda c: c.in_flight)
        return super().pick(candidates)


class Slow(GoodBalancer):
    def pick(self, candidates):
        time.sleep(0.0002)
        return super().pick(candidates)


class AlwaysFirst(GoodBalancer):
    def pick(self, candidates):
        return candidates[0]


class OwnDice(GoodBalancer):
    def __init__(self, dice):
        super().__init__(random.Random())  # unseeded: nobody can repeat it


class SharedState(GoodBalancer):
    PICKS: dict[str, int] = {}  # noqa: RUF012 - that is what is wrong with it

    def __init__(self, dice):
        super().__init__(dice)
        self.picks = self.PICKS


class Pedant(GoodBalancer):
    def report(self, candidate, *, ok, seconds):
        self.picks[candidate.name] += 0


class LetsEverybodyIn(GoodAuthenticator):
    async def authenticate(self, presented):
        if presented.api_key is None and presented.bearer is None:
            return Principal(id="nobody", scopes=frozenset({"data"}))
        return await super().authenticate(presented)


class NewIdEachTime(GoodAuthenticator):
    def judged(self, key):
        super().judged(key)
        return Principal(id=uuid4().hex, scopes=frozenset({"data"}))


class StrangeScope(GoodAuthenticator):
    def judged(self, key):
        return Principal(id=super().judged(key).id, scopes=frozenset({"read"}))


class TellsWhy(GoodAuthenticator):
    def judged(self, key):
        if "once" in key:
            raise BadCredentials("this key has expired")
        return super().judged(key)


class JudgesEverything(GoodAuthenticator):
    async def authenticate(self, presented):
        shown = presented.api_key or presented.bearer
        return None if shown is None else self.judged(shown.get_secret_value())


class AsciiOnly(GoodAuthenticator):
    async def authenticate(self, presented):
        if presented.api_key:
            presented.api_key.get_secret_value().encode("ascii")
        return await super().authenticate(presented)


class PlainText(GoodAuthenticator):
    def stored(self, key):
        return key


class OneAtATimePlease(GoodAuthenticator):
    async def authenticate(self, presented):
        self.shown = presented
        await asyncio.sleep(0)
        return await super().authenticate(self.shown)


class LosesTheMessage(GoodAlerter):
    async def send(self, alert):
        await super().send(type(alert)(at=alert.at, subject="argus", event="", message=""))


class Swallows(GoodAlerter):
    async def send(self, alert):
        with contextlib.suppress(ConnectionError):
            await super().send(alert)


class OneLine(GoodAlerter):
    async def send(self, alert):
        if "\n" in alert.message:
            raise ValueError("a message has one line")
        await super().send(alert)


class Blocks(GoodAlerter):
    async def send(self, alert):
        if ALERT_TROUBLE.now == "slow":
            time.sleep(0.2)  # noqa: ASYNC251 - that is what is wrong with it
            SENT.append(alert.message)
        else:
            await super().send(alert)


TWINS = (
    Twin("CCH-01", Strips),
    Twin("CCH-02", NoneForMisses),
    Twin("CCH-03", Immortal, frozenset({"CCH-04"})),
    Twin("CCH-03", WholeSeconds, frozenset({"CCH-04"})),
    Twin("CCH-04", FirstComes),
    Twin("CCH-05", ShortKeys),
    Twin("CCH-06", Globs),
    Twin("CCH-07", KeepsBuffers),
    Twin("CCH-08", OneDraft),
    Twin("CCH-09", Unbounded, options={"bound": GoodCache.BOUND}),
    Twin("CCH-10", NoCount),
    Twin("CCH-11", ForeignCacheError),
    Twin("CCH-12", GoodCache, options={"shared": True}),
    Twin("CCH-13", KeysArePrefixes),
    Twin("CCH-13", CountsTheAsked),
    Twin("CCH-14", PurgesAll),
    Twin("CCH-14", PurgesNothing),
    Twin("CCH-15", Forgetful),
    Twin("CCH-15", BeginsAnew),
    Twin("BAL-01", Fake, frozenset({"BAL-02", "BAL-08"})),
    Twin("BAL-02", FirstComers),
    Twin("BAL-03", Sorts),
    Twin("BAL-04", Slow),
    Twin("BAL-05", AlwaysFirst, frozenset({"BAL-02"})),
    Twin("BAL-06", OwnDice, frozenset({"BAL-07"})),
    Twin("BAL-07", SharedState, frozenset({"BAL-06"})),
    Twin("BAL-08", Pedant),
    Twin("ATH-01", LetsEverybodyIn),
    Twin("ATH-02", NewIdEachTime),
    Twin("ATH-02", StrangeScope),
    Twin("ATH-03", TellsWhy),
    Twin("ATH-04", JudgesEverything),
    Twin("ATH-05", AsciiOnly),
    Twin("ATH-06", PlainText),
    Twin("ATH-07", OneAtATimePlease),
    Twin("ALR-01", LosesTheMessage),
    Twin("ALR-02", Swallows),
    Twin("ALR-03", OneLine),
    Twin("ALR-04", Blocks),
)
