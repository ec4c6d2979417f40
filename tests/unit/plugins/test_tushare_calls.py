"""What a Tushare account may be called, and how often it was."""

from __future__ import annotations

from contextlib import closing, suppress

import pytest
from vendors.tushare_account import StillClock, serving, settings

from argus_core import ArgusError, Source
from argus_tushare import TushareSource
from argus_tushare.client import connect


def test_the_calls_a_minute_are_a_matter_of_the_account():
    with serving() as server:
        own = settings(server, calls_per_minute=200)
        assert TushareSource("a", own, StillClock()).calls_per_minute == 200
        assert TushareSource("a", settings(server), StillClock()).calls_per_minute is None
        assert Source.calls_per_minute is None
        with pytest.raises(ValueError, match="calls_per_minute"):
            settings(server, calls_per_minute=0)


def test_every_request_counts_a_refused_one_too():
    with serving() as server, closing(connect(settings(server), StillClock())) as api:
        assert api.calls_made == {}
        api.table("daily", ts_code="600519.SH")
        api.query("daily", ts_code="600519.SH")
        with suppress(ArgusError):
            api.table("no_such_interface")
        assert api.calls_made == {"daily": 2, "no_such_interface": 1}


async def test_the_source_tells_its_requests_while_it_is_open():
    with serving() as server:
        source = TushareSource("a", settings(server), StillClock())
        assert source.calls_made() is None
        await source.open()
        await source.ping()
        assert source.calls_made() == 1
        await source.close()
        assert source.calls_made() is None
