"""The RQData stand-in's live socket and its life as a process, seen through the real client."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("rqdatac")
pytest.importorskip("websockets")
from vendors import rqdata_server
from vendors.rqdata_client import RealClient
from vendors.rqdata_server import RQDataServer
from vendors.world import load


@pytest.fixture(scope="module")
def running(market_data):
    server = RQDataServer(load(market_data), data=market_data).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def real():
    client = RealClient("Asia/Shanghai")
    yield client
    client.stop()


@pytest.fixture
def server(running):
    running.control({"clear": True, "now": None, "live": {"silence": False}})
    return running


@pytest.fixture
def client(real, server):
    real.log_in(server.port, "u", "p")
    return real


def wait_for(server, **expected):
    """The live socket's counts, once they are as expected."""
    ends = time.monotonic() + 5
    while True:
        told = server.statistics()["live"]
        if all(told[name] == value for name, value in expected.items()):
            return
        assert time.monotonic() < ends, told
        time.sleep(0.01)


@pytest.fixture
def live(client, server):
    """The client with a tick and a bar channel open at 09:30 of the day of the ticks."""
    channels = ["bar_510300.XSHG", "tick_600519.XSHG"]
    server.control({"now": "2023-02-01T09:30:00"})
    opened = client("live", server.live_url, channels)
    assert opened.error is None, opened.text
    wait_for(server, channels=channels)
    yield client
    client("live.close")
    server.control({"live": {"drop": True}})


def push(server, **order):
    return server.control({"live": order})["sent"]


def test_pushed_ticks_are_the_worlds_and_move_the_clock(live, server, market_data):
    assert push(server, push=3) == 3
    taken = live("live.take", 3).value
    ticks = [t for t in load(market_data).ticks["600519.SH"] if f"{t.time:%H:%M:%S}" > "09:30:00"]
    assert [m["datetime"] for m in taken] == [int(f"{t.time:%Y%m%d%H%M%S}000") for t in ticks[:3]]
    first = taken[0]
    assert (first["action"], first["channel"]) == ("feed", "tick_600519.XSHG")
    assert (first["last"], first["volume"]) == (ticks[0].last, ticks[0].volume)
    assert [*zip(first["ask"], first["ask_vol"], strict=True)] == [*map(tuple, ticks[0].asks)]
    assert first["trading_date"] == 20230201
    latest = live("current_snapshot", "600519.XSHG").value
    assert latest["datetime"] == ticks[2].time.replace(tzinfo=None).isoformat()


def test_pushed_bars(live, server):
    server.control({"now": "2024-01-03T09:30:00"})
    assert push(server, until="2024-01-03T09:32:30") == 2
    first, second = live("live.take", 2).value
    assert (first["datetime"], second["datetime"]) == (20240103093100, 20240103093200)
    assert first["channel"] == "bar_510300.XSHG"
    live("live.leave", ["bar_510300.XSHG"])
    wait_for(server, channels=["tick_600519.XSHG"])
    assert push(server, push=1) == 0


def test_a_used_up_quota_ends_the_listener(live, server):
    server.control({"live": {"close": 4003, "reason": "quota exceeded"}})
    assert live("live.take", 1).value == [{"error": "QuotaExceeded"}]


def test_a_lost_socket_is_opened_again_with_its_channels(live, server):
    server.control({"live": {"drop": True}})
    wait_for(server, logins=server.statistics()["live"]["logins"] + 1, sessions=1)
    wait_for(server, channels=["bar_510300.XSHG", "tick_600519.XSHG"])
    assert push(server, push=1) == 1
    assert live("live.take", 1).value[0]["channel"] == "tick_600519.XSHG"


def test_silence_and_rubbish(live, server):
    server.control({"live": {"silence": True}})
    assert push(server, push=5) == 0
    server.control({"live": {"silence": False}})
    assert push(server, send={"action": "feed", "channel": "tick_600519.XSHG", "last": None}) == 1
    assert live("live.take", 1).value[0]["last"] is None
    assert push(server, send="no json") == 1
    assert live("live.take", 1).value == [{"error": "JSONDecodeError"}]


def test_a_wrong_token_closes_the_socket(client, server):
    server.control({"fault": {"method": "user.get_live_md_auth_token", "kind": "nil"}})
    assert client("live", server.live_url, []).error == "ConnectionClosedError"


@contextmanager
def process(*arguments):
    """The three ports of a server process."""
    script = str(Path(rqdata_server.__file__))
    with subprocess.Popen(
        [sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield [int(child.stdout.readline()) for _ in range(3)]
        finally:
            child.kill()


def order(port, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"http://127.0.0.1:{port}/control", data=data), timeout=10) as answer:
        return json.loads(answer.read())


def test_as_a_process(real, market_data):
    options = ("--data", str(market_data), "--now", "2023-02-01T10:00:00", "--user", "u")
    with process(*options, "--password", "p") as (port, steering, live):
        real.log_in(port, "u", "p")
        real("reset", flush_cache=True)
        asked = real("current_snapshot", "600519.XSHG").value
        assert asked["datetime"] == "2023-02-01T09:59:59"
        order(steering, {"fault": {"method": "current_snapshots", "kind": "error", "errno": 4}})
        assert real("current_snapshot", "600519.XSHG").error == "PermissionDenied"
        assert real("live", f"ws://127.0.0.1:{live}/", ["tick_600519.XSHG"]).error is None
        with pytest.raises(HTTPError, match="400"):
            order(steering, {"fault": {"kind": "hank"}})
        told = order(steering)
        assert told["rpcs"]["current_snapshots"] == 2
        assert told["logins"] == 2
        assert told["live"]["logins"] == 1
        real("live.close")
    real("reset", flush_cache=True)
