"""The same answers whatever the host's time zone: the vendor's client reads the host's clock."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

ZONES = ("UTC", "Asia/Shanghai")
TESTS = Path(__file__).resolve().parents[3]


@pytest.fixture
def answers(server):
    """What a process in each time zone answers at 10:00 in Shanghai."""
    server.control({"now": "2023-02-01T10:00:00"})
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", __file__, str(server.port), server.live_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TZ": zone, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        )
        for zone in ZONES
    ]
    done = [child.communicate(timeout=60) for child in children]
    for child, (_, errors) in zip(children, done, strict=True):
        assert child.returncode == 0, errors[-3000:]
    return [json.loads(out) for out, _ in done]


def test_all_zones_agree_and_warnings_as_errors_do_no_harm(answers):
    here, *others = answers
    assert all(other == here for other in others)
    assert here["quote"]["as_of"].endswith("+08:00")
    assert here["days"][0]["time"] == "2018-01-02"
    assert here["minutes"][0]["time"] == "2018-01-03T09:31:00"
    assert here["ticks"][-1]["time"].startswith("2023-02-01T09:59")
    assert here["calendar"][0] == "2023-01-03"


async def ask(server: SimpleNamespace) -> dict:
    """One answer of each dataset that speaks of time."""
    from support.rqdata import bars_of, opened, symbols, ticks_of

    from argus_core import (
        SHANGHAI,
        CalendarQuery,
        Clock,
        Exchange,
        FactorsQuery,
        Period,
        QuotesQuery,
    )

    class Morning(Clock):
        def now(self) -> datetime:
            return datetime(2023, 2, 1, 10, tzinfo=SHANGHAI)

    day = date(2018, 1, 3)
    today = date(2023, 2, 1)
    async with opened(server, Morning()) as source:
        (quote,) = source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        month = {"start": date(2018, 1, 1), "end": date(2018, 1, 31)}
        minute = {"start": day, "end": day, "period": Period.M1}
        calendar = CalendarQuery(
            exchanges=(Exchange.SH,), start=date(2023, 1, 1), end=date(2023, 1, 31)
        )
        factors = FactorsQuery(symbols=symbols("600519.SH"), start=date(2015, 1, 1), end=today)
        return {
            "quote": {"price": quote.price, "as_of": quote.as_of.isoformat()},
            "days": source.bars(bars_of("600519.SH", **month)).to_dicts(),
            "minutes": source.bars(bars_of("000001.SZ", **minute)).to_dicts(),
            "ticks": source.ticks(ticks_of("600519.SH", start=today, end=today)).to_dicts(),
            "factors": source.factors(factors),
            "calendar": source.calendar(calendar)[Exchange.SH].dates,
        }


if __name__ == "__main__":
    reached = SimpleNamespace(port=int(sys.argv[1]), live_url=sys.argv[2])
    print(json.dumps(asyncio.run(ask(reached)), default=lambda value: value.isoformat()))  # noqa: T201
