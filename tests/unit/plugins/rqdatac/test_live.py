"""Live pushes through the real client and the loopback socket."""

from __future__ import annotations

import queue
import shutil
import ssl
import subprocess
import sys
import threading
from datetime import datetime

import pytest
from support.rqdata import opened, rpcs, symbols
from support.waiting import until
from websockets.sync.server import serve

from argus_core import SHANGHAI, Gap, NotOffered, PermissionDenied, PluginError, SourceUnavailable
from argus_rqdatac.live import check_package

MORNING = "2023-02-01T10:00:00"
MAOTAI = symbols("600519.SH")


@pytest.fixture
def got():
    return queue.SimpleQueue()


@pytest.fixture
def market(server):
    server.control({"now": MORNING})
    yield server
    assert not [thread for thread in threading.enumerate() if thread.name == "rq feed"]


def pushed(server, count):
    return server.control({"live": {"push": count}})["sent"]


async def test_ticks_are_pushed_as_recorded(market, world, got):
    async with opened(market) as source:
        source.subscribe(MAOTAI, got.put)
        sent = pushed(market, 20)
        depths = [got.get(timeout=5) for _ in range(sent)]
        assert source.report()["feed_subscriptions"] == 1
    begin = datetime.fromisoformat(MORNING).replace(tzinfo=SHANGHAI)
    recorded = [tick for tick in world.ticks["600519.SH"] if tick.time > begin][:sent]
    assert sent >= 20
    for depth, tick in zip(depths, recorded, strict=True):
        assert depth.symbol == "600519.SH"
        assert depth.quote.as_of == tick.time
        assert (depth.quote.price, depth.quote.volume) == (tick.last, tick.volume)
        assert tuple((level.price, level.volume) for level in depth.bids) == tick.bids
        assert tuple((level.price, level.volume) for level in depth.asks) == tick.asks


async def test_after_a_lost_connection_there_is_a_gap_and_pushes_go_on(market, got):
    async with opened(market) as source:
        source.subscribe(MAOTAI, got.put)
        pushed(market, 1)
        got.get(timeout=5)
        market.control({"live": {"drop": True}})
        gap = got.get(timeout=5)
        assert isinstance(gap, Gap)
        assert gap.symbols == MAOTAI
        assert gap.since is not None
        pushed(market, 1)
        assert got.get(timeout=5).symbol == "600519.SH"
        assert source.report()["feed_reconnects"] == 1
    await until(lambda: market.statistics()["live"]["sessions"] == 0)


async def test_a_used_up_quota_ends_the_pushes_with_a_gap(market, got, caplog):
    async with opened(market) as source:
        source.subscribe(MAOTAI, got.put)
        market.control({"live": {"close": 4003, "reason": "quota exceeded"}})
        assert "quota" in got.get(timeout=5).reason
        assert "quota" in source.report()["feed_error"]
        assert source.report()["quota_paused_seconds"]
    assert "the quota is used up" in caplog.text


async def test_unsubscribing_tells_the_server(market, got):
    async with opened(market) as source:
        source.subscribe(MAOTAI, got.put)
        assert market.statistics()["live"]["channels"] == ["tick_600519.XSHG"]
        source.unsubscribe(MAOTAI)
        source.unsubscribe(symbols("000001.SZ"))
        await until(lambda: not market.statistics()["live"]["channels"])


@pytest.mark.parametrize("stranger", ["999993.SZ", "rb88.SHFE"])
async def test_the_unknown_and_the_continuous_are_refused_and_nothing_is_subscribed(
    market, got, stranger
):
    async with opened(market) as source:
        with pytest.raises(NotOffered, match=stranger):
            source.subscribe(symbols("600519.SH", stranger), got.put)
    assert market.statistics()["live"]["channels"] == []


async def test_a_refused_token_is_an_error_of_the_subscription(market, got):
    method = "user.get_live_md_auth_token"
    market.control({"fault": {"method": method, "kind": "error", "errno": 4}})
    async with opened(market) as source:
        with pytest.raises(PermissionDenied):
            source.subscribe(MAOTAI, got.put)


async def test_a_live_server_that_is_not_there_is_an_error_and_harms_no_request(market, got):
    async with opened(market, live_url="ws://127.0.0.1:9/live_md") as source:
        with pytest.raises(SourceUnavailable, match="live server"):
            source.subscribe(MAOTAI, got.put)
        await source.ping()
        assert rpcs(market)["user.get_quota"] == 1


async def test_a_source_can_be_closed_and_opened_again(market, got):
    async with opened(market) as source:
        source.subscribe(MAOTAI, got.put)
        await source.close()
        await source.open()
        source.subscribe(MAOTAI, got.put)
        pushed(market, 1)
        assert got.get(timeout=5).symbol == "600519.SH"


def test_a_missing_package_for_sockets_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.sync.client", None)
    with pytest.raises(PluginError) as error:
        check_package()
    assert 'pip install "argus-marketdata[rqdatac]"' in str(error.value)


@pytest.fixture
def self_signed(tmp_path):
    """A key and a certificate that nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(command, capture_output=True, check=True)
    return key, certificate


async def test_a_bad_certificate_is_not_passed_over(market, got, self_signed):
    """The vendor's client would connect once more without any check."""
    key, certificate = self_signed
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    heard = []
    live = serve(lambda connection: heard.append(connection.recv()), "127.0.0.1", 0, ssl=context)
    thread = threading.Thread(target=live.serve_forever, daemon=True)
    thread.start()
    url = f"wss://localhost:{live.socket.getsockname()[1]}/live_md"
    try:
        async with opened(market, live_url=url) as source:
            with pytest.raises(SourceUnavailable, match="SSLCertVerificationError"):
                source.subscribe(MAOTAI, got.put)
    finally:
        live.shutdown()
        thread.join()
    assert not heard
