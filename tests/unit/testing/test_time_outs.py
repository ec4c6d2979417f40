"""A time-out of the plugin's own is not the kit's patience, and is told as what it is."""

import asyncio

import pytest
from broken import good, good_source
from broken.sources import Troubled
from broken.subjects import subject

from argus_core.testing import GROUPS, run_check
from argus_core.testing.checks import alerters, caches, conduct, faults, shared_caches

CHECKS = {one.id: one for checks in GROUPS.values() for one in checks}
OWN = TimeoutError("the vendor's package gave up")


def judged(number, cls):
    row = run_check(CHECKS[number], subject(cls))
    return row.verdict, row.why


class Foreign(Troubled):
    trouble, error = "timeout", OWN


class ForeignLost(Troubled):
    trouble, error = "disconnect", OWN


class Hangs(Troubled):
    trouble = "disconnect"

    async def wait(self):
        if self.trouble == good_source.TROUBLE.now:
            await asyncio.sleep(60)
        await super().wait()


class FailsLater(good_source.GoodSource):
    dead = False

    async def quotes(self, query):
        if self.dead:
            raise OWN
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.dead = True
            raise
        return await super().quotes(query)


class HangsLater(FailsLater):
    async def quotes(self, query):
        if self.dead:
            await asyncio.sleep(60)
        return await super().quotes(query)


def test_a_foreign_time_out_of_a_silent_vendor_is_no_wait():
    verdict, why = judged("SRC-50", Foreign)
    assert verdict == "fail"
    assert why == "'timeout' raised TimeoutError: raise SourceTimeout or SourceUnavailable"


def test_a_foreign_time_out_of_a_lost_connection_did_not_hang():
    verdict, why = judged("SRC-51", ForeignLost)
    assert verdict == "fail"
    assert why.startswith("'disconnect' raised TimeoutError: raise SourceUnavailable")


def test_a_source_that_hangs_is_told_so(monkeypatch):
    monkeypatch.setattr(faults, "_PATIENCE", 0.05)
    verdict, why = judged("SRC-51", Hangs)
    assert verdict == "fail"
    assert why.startswith("under 'disconnect' it hung for 0 s")


def test_after_cancelled_calls_the_plugins_own_error_is_told():
    verdict, why = judged("SRC-41", FailsLater)
    assert verdict == "fail"
    assert "SourceUnavailable" in why or "TimeoutError" in why


def test_after_cancelled_calls_a_hang_is_told_too(monkeypatch):
    monkeypatch.setattr(conduct, "_PATIENCE", 0.05)
    verdict, why = judged("SRC-41", HangsLater)
    assert verdict == "fail"
    assert "answers nothing any more" in why


def store(error, seconds=0.0):
    class Store(good.GoodCache):
        async def get_many(self, keys):
            if self.trouble.now:
                await asyncio.sleep(seconds)
                raise error
            return await super().get_many(keys)

    return Store


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (store(OWN), "it raised TimeoutError: raise CacheError"),
        (store(OWN, 60), "it hung for 0 s: give its calls a limit"),
    ],
)
def test_a_store_that_is_gone(monkeypatch, cls, expected):
    monkeypatch.setattr(shared_caches, "_PATIENCE", 0.05)
    number = next(one.id for one in caches.CHECKS if "CacheError" in one.demand)
    assert judged(number, cls) == ("fail", expected)


def messenger(seconds):
    class Messenger(good.GoodAlerter):
        async def send(self, alert):
            if good.ALERT_TROUBLE.now:
                await asyncio.sleep(seconds)
                raise OWN
            await super().send(alert)

    return Messenger


def test_a_messengers_own_time_out_is_a_loud_failure(monkeypatch):
    monkeypatch.setattr(alerters, "_PATIENCE", 0.05)
    assert judged("ALR-02", messenger(0)) == ("pass", "")
    verdict, why = judged("ALR-02", messenger(60))
    assert (verdict, why) == ("fail", "it hung for 0 s: give the call a limit")
