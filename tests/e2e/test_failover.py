"""The main job, with real processes: two Tushare servers, `argus serve`, recorded rows, HTTP.

The servers speak the vendor's wire format and serve recorded rows of the vendor; what Argus
answers is compared with the files themselves, read here and now.
"""

import csv
import json
import random
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from support.process import PLAINLY, argus, environment

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "tests" / "vendors" / "tushare_server.py"
TOKENS = {"first": "token-of-the-first-0123456789", "second": "token-of-the-second-987654321"}
CONFIG = """
[sources.{names[0]}]
plugin = "tushare"
endpoint = "http://127.0.0.1:{first}/dataapi"
token = {{ env = "TOKEN_FIRST" }}

[sources.{names[1]}]
plugin = "tushare"
endpoint = "http://127.0.0.1:{second}/dataapi"
token = {{ env = "TOKEN_SECOND" }}

[routes]
default = ["{names[0]}", "{names[1]}"]
"""
SYMBOLS = (
    "000001.SZ",
    "000017.SZ",
    "000413.SZ",
    "300391.SZ",
    "300758.SZ",
    "600000.SH",
    "600116.SH",
    "600519.SH",
)
DELISTED = ("000018.SZ", "002070.SZ", "600240.SH")
# What the first server does, and the code and a word with which the trace must explain it.
FAULTS = {
    "refuse": "SERVICE_UNAVAILABLE",
    "hang": "TIMEOUT",
    "http_500": "SERVICE_UNAVAILABLE",
    "http_429": "RATE_LIMIT_EXCEEDED",
    "html": "BAD_DATA",
    "rate_minute": "RATE_LIMIT_EXCEEDED",
    "no_permission": "FORBIDDEN",
    "truncated": "BAD_DATA",
    "nan": "BAD_DATA",
    "volume_flip": "BAD_DATA",
}


class Vendor:
    """One running server."""

    def __init__(self, process, name):
        self.process = process
        self.name = name
        self.port = int(process.stdout.readline())
        self.control_port = int(process.stdout.readline())

    def does(self, fault, **more):
        order = {"fault": fault, **more}
        url = f"http://127.0.0.1:{self.control_port}/control"
        httpx.post(url, json=order, **PLAINLY).raise_for_status()


@contextmanager
def vendor(name, data):
    command = [sys.executable, str(SERVER), "--port", "0", "--data", str(data)]
    command += ["--token", TOKENS[name]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    try:
        yield Vendor(process, name)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def write(folder, first, second, names=("first", "second")):
    text = CONFIG.format(first=first.port, second=second.port, names=names)
    (folder / "plugins.toml").write_text(text, encoding="utf-8")


@contextmanager
def serving(tmp_path, first, second):
    write(tmp_path, first, second)
    tokens = {f"TOKEN_{name.upper()}": token for name, token in TOKENS.items()}
    with argus(tmp_path, "serve", env=environment(**tokens)) as server:
        yield server
    log = server.log.read_text(errors="replace")
    assert "Traceback" not in log, log
    assert not any(token in log for token in TOKENS.values()), "a token stands in the log"


@pytest.fixture(scope="module")
def vendors(market_data):
    with vendor("first", market_data) as first, vendor("second", market_data) as second:
        yield first, second


@pytest.fixture(scope="module")
def server(vendors, tmp_path_factory):
    """One Argus for all questions that break nothing."""
    with serving(tmp_path_factory.mktemp("argus"), *vendors) as running:
        yield running


@pytest.fixture(scope="module")
def beside(vendors, tmp_path_factory):
    """Another Argus, for vendors that fail."""
    with serving(tmp_path_factory.mktemp("beside"), *vendors) as running:
        yield running


@pytest.fixture
def fresh(beside, vendors, request):
    """The other Argus after a reload, with two sources that nobody has asked yet: their names."""
    *_, word = re.findall(r"\w+", request.node.name)
    names = [f"first_{word}", f"second_{word}"]
    write(beside.log.parent, *vendors, names)
    httpx.post(f"{beside.url}/api/v1/admin/reload", timeout=30, **PLAINLY).raise_for_status()
    assert [s["name"] for s in beside.get("/api/v1/sources").json()["data"]] == names
    yield names
    for vendor in vendors:
        vendor.does(None)


def recorded(market_data, symbol, kind="daily_raw"):
    (path,) = (market_data / "tushare").glob(f"{kind}_{symbol}_*.csv")
    with path.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return sorted(rows, key=lambda row: row["trade_date"])


def day(text):
    return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def drawn(rows, seed):
    """Three ranges inside what is recorded, another every day the suite runs, reproducible."""
    rng = random.Random(f"{time.strftime('%F')} {seed}")
    dates = [day(row["trade_date"]) for row in rows]
    for _ in range(3):
        start, end = sorted(rng.sample(range(len(dates)), 2))
        shift = timedelta(days=rng.randint(0, 2))
        yield dates[start] - shift, dates[end] + shift
    yield dates[0], dates[-1]


def history(server, symbol, start, end, **more):
    params = {"symbols": symbol, "start_date": str(start), "end_date": str(end), **more}
    answer = server.get("/api/v1/market_data/history", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("symbol", [*SYMBOLS, *DELISTED])
def test_bars_are_the_recorded_ones_in_shares_and_yuan(server, market_data, symbol):
    rows = recorded(market_data, symbol)
    for start, end in drawn(rows, symbol):
        body = history(server, symbol, start, end)
        bars = body["data"][symbol]
        expected = [r for r in rows if start <= day(r["trade_date"]) <= end]
        assert [b["date"] for b in bars] == [str(day(r["trade_date"])) for r in expected]
        assert body["total_records"] == len(expected)
        for bar, row in zip(bars, expected, strict=True):
            for name in ("open", "high", "low", "close"):
                assert bar[name] == float(row[name])
            assert bar["volume"] == pytest.approx(float(row["vol"]) * 100, abs=0.51)
            assert bar["turnover"] == pytest.approx(float(row["amount"]) * 1000, abs=0.51)
            average = bar["turnover"] / bar["volume"]
            # A day of four lots is rounded to a lot's hundredth and to a yuan by the vendor.
            slack = 0.005 * average + (average + 1) / bar["volume"]
            assert bar["low"] - slack <= average <= bar["high"] + slack
            # The vendor rounds both closes to a cent before it subtracts them.
            assert bar["change"] == pytest.approx(
                float(row["close"]) - float(row["pre_close"]), abs=1e-6
            )


def test_the_legacy_dialect_says_the_same(server, market_data):
    rows = recorded(market_data, "000001.SZ")
    start, end = day(rows[5]["trade_date"]), day(rows[40]["trade_date"])
    v1 = history(server, "000001.SZ", start, end)["data"]["000001.SZ"]
    answer = server.get(
        "/hist_kline",
        params={
            "symbol": "000001.SZ",
            "start_date": f"{start:%Y%m%d}",
            "end_date": f"{end:%Y%m%d}",
            "frequency": "1d",
        },
    )
    legacy = answer.json()
    assert legacy["symbol"] == "000001.SZ"
    assert [b["time"] for b in legacy["data"]] == [f"{b['date']} 00:00:00" for b in v1]
    assert [b["amount"] for b in legacy["data"]] == [b["turnover"] for b in v1]
    assert [b["close"] for b in legacy["data"]] == [b["close"] for b in v1]


def adjusted_error(server, market_data, symbol):
    """The differences to the vendor's own adjusted closes, brought to the last recorded day.

    Yields date, absolute and relative difference for every day that both files have.
    """
    raw = recorded(market_data, symbol)
    base = day(raw[-1]["trade_date"])
    theirs = {
        r["trade_date"]: float(r["close"]) for r in recorded(market_data, symbol, "pro_bar_qfq")
    }
    scale = float(raw[-1]["close"]) / theirs[raw[-1]["trade_date"]]
    body = history(
        server, symbol, day(raw[0]["trade_date"]), base, adjust="pre", adjust_base=str(base)
    )
    bars = {bar["date"].replace("-", ""): bar["close"] for bar in body["data"][symbol]}
    assert set(bars) == {row["trade_date"] for row in raw}
    for when in sorted(set(bars) & set(theirs)):
        expected = theirs[when] * scale
        yield when, abs(bars[when] - expected), abs(bars[when] / expected - 1)


def test_forward_adjusted_prices_are_the_vendors(server, market_data):
    errors = list(adjusted_error(server, market_data, "000001.SZ"))
    assert len(errors) > 300
    assert max(absolute for _, absolute, _ in errors) < 0.001


def test_forward_adjusted_prices_over_ten_dividends(server, market_data):
    """The vendor's own factors for 600519.SH leave the exchange's previous close by 1e-4 at two
    dividends (2011-07-01 and 2013-06-07), so before 2017 no factors made from previous closes can
    come closer than that; from there on it is 5e-5."""
    errors = list(adjusted_error(server, market_data, "600519.SH"))
    assert len(errors) > 2400
    assert max(relative for when, _, relative in errors if when >= "20170707") < 5e-5
    assert max(relative for _, _, relative in errors) < 1.3e-4


def test_suspended_days_are_no_rows_and_a_silent_range_is_an_empty_series(server, market_data):
    rows = recorded(market_data, "600116.SH")
    dates = [day(row["trade_date"]) for row in rows]
    gaps = [(a, b) for a, b in pairwise(dates) if (b - a).days > 14]
    assert gaps, "600116.SH was suspended for weeks"
    before, after = gaps[0]
    body = history(server, "600116.SH", before + timedelta(days=1), after - timedelta(days=1))
    assert body["data"]["600116.SH"] == []
    assert body["meta"]["stale"] is False


def test_other_datasets_come_from_the_same_servers(server):
    detail = server.get("/api/v1/market_data/instrument_detail?symbols=sh600519,sz000001").json()
    assert detail["data"]["600519.SH"]["name"] == "贵州茅台"
    assert detail["data"]["000001.SZ"]["list_date"] == "1991-04-03"
    dates = server.get(
        "/api/v1/market_data/trading_dates?start_date=2024-02-01&end_date=2024-02-29&market=SH"
    ).json()
    assert dates["data"]["total_days"] == 15
    assert "2024-02-12" in dates["data"]["holidays"]
    assert dates["meta"]["source"] == "first"
    listed = server.get("/api/v1/market_data/stock_list?sector=上证A股").json()
    assert listed["data"]["count"] > 2000
    assert "600519.SH" in listed["data"]["symbols"]
    unknown = server.get("/api/v1/market_data/latest?symbols=688000.SH")
    assert unknown.status_code == 404


def test_the_deadline_is_kept_and_reported(vendors, beside, fresh):
    for vendor in vendors:
        vendor.does("hang")
    began = time.monotonic()
    answer = beside.get(
        "/api/v1/market_data/history?symbols=600519.SH&start_date=20190102&end_date=20190110",
        headers={"X-Argus-Deadline": "2"},
    )
    took = time.monotonic() - began
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "TIMEOUT"
    assert took < 3


@pytest.mark.parametrize("fault", [*FAULTS, "empty"])
def test_the_second_answers_whatever_the_first_does(vendors, beside, fresh, market_data, fault):
    rows = recorded(market_data, "600000.SH")[20:60]
    start, end = day(rows[0]["trade_date"]), day(rows[-1]["trade_date"])
    vendors[0].does(fault)
    began = time.monotonic()
    body = history(beside, "600000.SH", start, end, explain=1)
    took = time.monotonic() - began
    latest = beside.get("/api/v1/market_data/latest?symbols=600000.SH&explain=1")
    assert took < 15, "within the deadline of history"
    assert [bar["close"] for bar in body["data"]["600000.SH"]] == [float(r["close"]) for r in rows]
    assert body["meta"]["source"] == fresh[1]
    attempts = [a for trace in body["explain"]["traces"] for a in trace["attempts"]]
    mine = [a for a in attempts if a["source"] == fresh[0]]
    assert mine, attempts
    if fault == "empty":
        assert (mine[0]["error"], mine[0]["answered"]) == (None, 0)
    else:
        assert mine[0]["error"] == FAULTS[fault], attempts
        assert mine[0]["reason"], "the trace says why"
    assert latest.status_code == 200, latest.text
    assert latest.json()["meta"]["source"] == fresh[1]
    whole = json.dumps(body) + latest.text
    assert not any(token in whole for token in TOKENS.values())


def test_both_down_is_a_503_with_attempts_and_no_token(vendors, beside, fresh):
    for vendor, fault in zip(vendors, ("refuse", "bad_token"), strict=True):
        vendor.does(fault)
    answer = beside.get("/api/v1/market_data/latest?symbols=600519.SH")
    sources = beside.get("/api/v1/sources")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    error = answer.json()["error"]
    assert error["code"] == "SERVICE_UNAVAILABLE"
    tried = {a["source"]: a["error"] for a in error["details"]["attempts"]}
    assert tried == dict(zip(fresh, ("SERVICE_UNAVAILABLE", "UNAUTHORIZED"), strict=True))
    states = {s["name"]: s["state"] for s in sources.json()["data"]}
    assert states == dict.fromkeys(fresh, "cooling")
    for text in (answer.text, sources.text):
        assert not any(token in text for token in TOKENS.values())
