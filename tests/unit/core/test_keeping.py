"""The chores beside the answers: none of them stops another, or the gateway from closing."""

import asyncio
from collections import Counter

from support.clock import TestClock

from argus_core import keeping
from argus_core.config import Config
from argus_core.gateway import Gateway

TABLE = {
    "sources": {"one": {"plugin": "demo"}},
    "caches": {"l1": {"plugin": "memory"}},
    "history": {},
}


async def test_a_chore_that_breaks_is_told_tried_again_and_keeps_nothing_open(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(keeping, "PURGING", 0.001)
    monkeypatch.setattr(keeping, "VERIFYING", 0.001)
    table = {**TABLE, "history": {"path": str(tmp_path)}, "server": {"data_dir": str(tmp_path)}}
    clock = TestClock("2024-03-15 23:00:00")
    calls, enough = Counter(), asyncio.Event()

    def breaking(name):
        async def broken(*_given):
            calls[name] += 1
            if min(calls["purge"], calls["verify"]) >= 3:
                enough.set()
            raise RuntimeError("a mistake of ours")

        return broken

    async with Gateway(Config.parse(table, {}), clock=clock) as gateway:
        kept = gateway._kept
        kept.tiers.purge, kept.past.verify = breaking("purge"), breaking("verify")
        async with asyncio.timeout(5):
            await enough.wait()
    assert "a mistake of ours" in caplog.text
    assert not gateway.control.opened.parts, "everything is closed"
