"""The loopback server as a process of its own, and its manners."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from vendors import tushare_server
from vendors.tushare_account import StillClock, serving, tables
from vendors.tushare_query import select

from argus_core import PermissionDenied, SourceUnavailable, Throttled
from argus_tushare.client import connect
from argus_tushare.settings import TushareSettings


@contextmanager
def process(*arguments):
    """Data port and control port of a server process."""
    script = str(Path(tushare_server.__file__))
    with subprocess.Popen(
        [sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield tuple(int(running.stdout.readline()) for _ in range(2))
        finally:
            running.kill()


def control(port: int, order: dict | None = None) -> dict:
    body = None if order is None else json.dumps(order).encode()
    with urlopen(Request(f"http://127.0.0.1:{port}/control", data=body), timeout=10) as answer:
        return json.loads(answer.read())


def test_as_a_process():
    options = ("--token", "one", "--token", "two", "--deny", "rt_k", "--cap", "daily=10")
    with process(*options, "--per-minute", "5") as (port, steering):
        facts = {"token": "two", "endpoint": f"http://127.0.0.1:{port}/dataapi"}
        with closing(connect(TushareSettings.model_validate(facts), StillClock())) as api:
            assert len(api.table("daily", ts_code="600519.SH")) == 10
            with pytest.raises(PermissionDenied):
                api.table("rt_k", ts_code="600519.SH")
            control(steering, {"fault": "refuse"})
            with pytest.raises(SourceUnavailable):
                api.table("daily")
            control(steering, {"fault": "no_permission", "apis": ["daily"], "times": 1})
            with pytest.raises(PermissionDenied):
                api.table("daily")
            assert len(api.table("daily", ts_code="600519.SH")) == 10
            control(port, {"fault": None})
            ask_often = partial(api.table, "trade_cal", start_date="20240101", end_date="20240102")
            with pytest.raises(Throttled):
                deque(ask_often() for _ in range(12))
        calls = control(steering)["requests"]
    assert [call["api"] for call in calls[:2]] == ["daily", "rt_k"]
    assert "two" not in json.dumps(calls)


def test_an_unknown_fault_is_refused():
    with serving() as server, pytest.raises(ValueError, match="no fault is called hank"):
        server.control({"fault": "hank"})


def ask(api_name, caps=None, **params):
    return select(tables(), api_name, params, params.pop("fields", ""), caps or {})


def test_order_caps_and_defaults():
    dates = [row[1] for row in ask("daily", ts_code="600519.SH")["items"]]
    assert dates == sorted(dates, reverse=True)
    dates = [row[1] for row in ask("trade_cal", start_date="20240101")["items"]]
    assert dates == sorted(dates)
    cut = ask("daily", {"daily": 3}, ts_code="600519.SH")
    assert len(cut["items"]) == 3
    assert cut["has_more"] is False
    page = ask("daily", {"daily": 3}, ts_code="600519.SH", limit=2, offset=1)
    assert page["items"] == cut["items"][1:]
    assert page["has_more"] is True
    listed = ask("stock_basic", fields="ts_code,list_status")
    assert {status for _, status in listed["items"]} == {"L"}
    # A date without a time drops that day's minutes, as the vendor does.
    minutes = ask("stk_mins", ts_code="600519.SH", freq="1min", end_date="2024-01-03")
    assert max(row[1] for row in minutes["items"]) == "2024-01-02 15:00:00"
    # Only some interfaces understand a comma list.
    assert ask("adj_factor", ts_code="600519.SH,000001.SZ")["items"] == []
