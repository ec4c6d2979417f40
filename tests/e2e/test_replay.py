"""A recorded day from end to end: every answer says what it is, and the figures are exact."""

import asyncio
import contextlib
import zipfile
from datetime import date, timedelta

import httpx
import polars as pl
import pytest
from support.agents import ask
from support.agents import gateway as agent_of
from support.agents import serving as serving_agent
from support.clock import TestClock
from support.recordings import MOUTAI, PING_AN, rows_of, whole_day

from argus_api import create_app
from argus_core import Period
from argus_core.config import Config
from argus_core.errors import AllSourcesFailed
from argus_core.gateway import Gateway
from argus_core.model.query import HistoryQuery
from argus_core.streaming.recorder import Recorder

SHARES, YUAN, TRADES = 3_397_389, 6_244_678_924.61, 27_135
"""What was traded of 600519.SH on 2023-02-01, in how many trades."""
V1 = "/api/v1/market_data"


@pytest.fixture
def clock():
    return TestClock("2026-11-20 22:00:00")


@contextlib.asynccontextmanager
async def serving(tmp_path, clock, **settings):
    table = {
        "server": {"data_dir": str(tmp_path)},
        "sources": {"past": {"plugin": "replay", **settings}},
        "caches": {"l1": {"plugin": "memory"}},
        "history": {"path": str(tmp_path / "history")},
    }
    gateway = Gateway(Config.parse(table, {}), clock=clock)
    app = create_app(gateway)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://argus") as client:
            yield gateway, client


class TestEveryAnswerSaysSo:
    @pytest.fixture
    async def client(self, tmp_path, clock):
        folder = whole_day(tmp_path / "recording", every=30)
        async with serving(tmp_path, clock, path=str(folder), speed=10, start="10:02:45") as (
            _,
            client,
        ):
            yield client

    @pytest.mark.parametrize(
        "path",
        [
            f"{V1}/latest?symbols={MOUTAI}",
            f"{V1}/latest?symbols={MOUTAI},{PING_AN}",
            f"{V1}/full?symbols={PING_AN}",
            f"{V1}/history?symbols={MOUTAI}&start_date=2024-03-15&end_date=2024-03-15&period=1m",
            f"{V1}/history?symbols={MOUTAI}&start_date=2024-03-15&end_date=2024-03-15&period=1w",
            f"{V1}/instrument_detail?symbols={MOUTAI}",
        ],
    )
    async def test_in_v1(self, client, path):
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Argus-Replay"] == "2024-03-15; speed=10"
        meta = answer.json()["meta"]
        assert meta["replay"] == {"day": "2024-03-15", "speed": 10.0}
        assert meta["simulated"] is False
        assert meta["stale"] is False

    @pytest.mark.parametrize(
        "path", [f"/latest_market?symbol={MOUTAI}", f"/full_market?symbol={MOUTAI}"]
    )
    async def test_in_the_legacy_dialect(self, client, path):
        answer = await client.get(path)
        assert answer.headers["X-Argus-Replay"] == "2024-03-15; speed=10"

    async def test_in_a_table(self, client):
        span = "start_date=2024-03-15&end_date=2024-03-15&period=1m"
        answer = await client.get(f"{V1}/history?symbols={MOUTAI}&{span}&format=arrow")
        assert answer.headers["X-Argus-Replay"] == "2024-03-15; speed=10"

    async def test_and_as_of_is_that_of_then(self, client, clock):
        first = (await client.get(f"{V1}/latest?symbols={MOUTAI}")).json()
        clock.advance(6)
        later = (await client.get(f"{V1}/latest?symbols={MOUTAI}")).json()
        assert first["meta"]["as_of"].startswith("2024-03-15T10:02:30")
        assert later["meta"]["as_of"].startswith("2024-03-15T10:03:30")

    async def test_the_running_bar_is_not_final(self, client):
        span = "start_date=2024-03-15&end_date=2024-03-15"
        for period, bars in (("1m", 33), ("5m", 7), ("1d", 1), ("1w", 1)):
            answer = await client.get(f"{V1}/history?symbols={MOUTAI}&{span}&period={period}")
            rows = answer.json()["data"][MOUTAI]
            assert len(rows) == bars
            assert [row.get("final", True) for row in rows] == [True] * (bars - 1) + [False]


async def test_a_live_server_says_nothing_of_it(tmp_path, clock):
    config = Config.parse({"sources": {"demo": {"plugin": "demo"}}}, {})
    app = create_app(Gateway(config, clock=clock))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://argus") as client:
            answer = await client.get(f"{V1}/latest?symbols={MOUTAI}")
    assert "X-Argus-Replay" not in answer.headers
    assert "replay" not in answer.json()["meta"]


class TestBehindAnotherGateway:
    """An edge, as each of `serve --workers` is one, in front of an agent that plays."""

    @pytest.fixture
    def agent(self, tmp_path):
        folder = whole_day(tmp_path / "recording", every=30)
        past = {"plugin": "replay", "path": str(folder), "speed": 10, "start": "10:02:45"}
        with serving_agent(agent_of(tmp_path, {"past": past})) as agent:
            yield agent

    async def test_every_answer_says_so_and_none_is_kept(self, agent, tmp_path, clock):
        far = {"plugin": "remote", "url": agent.url, "simulated": "as_told"}
        caches = {"l1": {"plugin": "memory"}}
        edge = agent_of(tmp_path, {"far": far}, clock=clock, caches=caches)
        day = HistoryQuery(
            symbols=(MOUTAI,), period=Period.M5, start=date(2024, 3, 15), end=date(2024, 3, 15)
        )
        async with edge:
            first = await edge.quotes((MOUTAI,), ask(clock))
            bars = await edge.history(day, ask(clock))
            agent.gateway.clock.advance(6)
            later = await edge.quotes((MOUTAI,), ask(clock))
        for answer in (first, bars, later):
            assert answer.replay == {"day": "2024-03-15", "speed": 10}
            assert not answer.cached
        assert later.as_of - first.as_of >= timedelta(minutes=1)
        final = bars.data[MOUTAI]["final"].to_list()
        assert final == [True] * (len(final) - 1) + [False]

    async def test_as_live_data_it_is_refused(self, agent, tmp_path, clock):
        far = {"plugin": "remote", "url": agent.url}
        edge = agent_of(tmp_path, {"far": far}, clock=clock)
        async with edge:
            with pytest.raises(AllSourcesFailed):
                await edge.quotes((MOUTAI,), ask(clock))


@pytest.fixture
def real_day(market_data, tmp_path):
    """The settings of the real day: its snapshots, and its trades in a file of their own."""
    ticks = market_data / "tidy_tick5_600519.SH_20230201.parquet"
    packed = market_data / "level2" / "600519.SH_20230201_entrust_trade_snapshot.zip"
    if not (ticks.is_file() and packed.is_file()):
        pytest.skip(f"the recorded day of 600519.SH is absent in {market_data}")
    with zipfile.ZipFile(packed) as files:
        rows = pl.read_csv(files.read("20230201/trade.csv"), infer_schema_length=None)
    rows.select(
        symbol=pl.lit("600519.SH"),
        time=("2023-02-01T" + pl.col("TradTime")).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f"),
        price=pl.col("TradPrice"),
        volume=pl.col("TradVolume"),
        direction=pl.col("TradeBSFlag").replace_strict({"B": "buy", "S": "sell"}, default=None),
    ).write_parquet(tmp_path / "trades.parquet")
    return {"path": str(ticks), "trades": str(tmp_path / "trades.parquet")}


class TestTheRealDay:
    async def test_through_rest(self, real_day, tmp_path, clock):
        span = "start_date=2023-02-01&end_date=2023-02-01"
        async with serving(tmp_path, clock, **real_day, start="15:30") as (_, client):
            latest = (await client.get(f"{V1}/latest?symbols={MOUTAI}")).json()
            row = latest["data"][MOUTAI]
            assert (row["volume"], row["turnover"]) == (SHARES, YUAN)
            assert latest["meta"]["replay"] == {"day": "2023-02-01", "speed": 1.0}
            for period in ("1d", "1h", "1m"):
                answer = await client.get(f"{V1}/history?symbols={MOUTAI}&{span}&period={period}")
                rows = answer.json()["data"][MOUTAI]
                assert sum(row["volume"] for row in rows) == SHARES
                assert sum(row["turnover"] for row in rows) == pytest.approx(YUAN, abs=0.005)
                assert (rows[0]["open"], rows[-1]["close"]) == (1854.98, 1844.97)
                assert max(row["high"] for row in rows) == 1859.0
                assert min(row["low"] for row in rows) == 1811.4
                assert all(row.get("final", True) for row in rows)

    async def test_through_the_hub(self, real_day, tmp_path, clock):
        async with serving(tmp_path, clock, **real_day, speed=1000) as (gateway, _):
            recorder = Recorder(gateway.streaming, tmp_path / "again", clock=clock)
            await recorder.begin((MOUTAI,))
            async with asyncio.timeout(60):
                while gateway.streaming.mode(MOUTAI) != "push":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)  # until it is accepted
                for _ in range(8):  # an hour at a time
                    clock.advance(3.6)
                    await asyncio.sleep(0.05)
                topic = gateway.streaming.hub.topics["quotes", MOUTAI]
                while topic.last is None or topic.last.value.volume != SHARES:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.5)  # what comes after the last trade
            await recorder.close()
        rows = rows_of(tmp_path / "again")
        last = rows.filter(kind="quotes").row(-1, named=True)
        assert (last["volume"], last["turnover"]) == (SHARES, YUAN)
        trades = rows.filter(kind="trades")
        assert trades.height == TRADES
        assert trades["volume"].sum() == SHARES
        assert (trades["price"] * trades["volume"]).sum() == pytest.approx(YUAN, abs=0.01)
        assert trades["seq"].to_list() == list(range(1, TRADES + 1))
        assert trades["as_of"].is_sorted()
        for kind in ("quotes", "depth"):
            told = rows.filter(kind=kind)
            assert told["seq"].to_list() == list(range(1, told.height + 1))
            assert told["as_of"].is_sorted()
        assert rows["kind"].is_in(["quotes", "depth", "trades"]).all()  # neither gap nor status
        assert rows["replay_day"].unique().to_list() == ["2023-02-01"]
