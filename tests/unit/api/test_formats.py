"""The formats of history: the same bars in each, readable by tools that never heard of Argus."""

import io
import json
import threading
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_api import envelope, formats, frames

DAYS = {"start_date": "2024-01-10", "end_date": "2024-01-12"}
DAY = {"start_date": "2024-01-10", "end_date": "2024-01-10", "period": "1m"}
TWO = "000001.SZ,600519.SH"
MEDIA = {
    "json": "application/json",
    "json-columns": "application/json",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


def table_of(form, content):
    """What a stranger's reader makes of a body."""
    if form == "arrow":
        return pa.ipc.open_stream(content).read_all()
    return pq.read_table(io.BytesIO(content))


@pytest.mark.parametrize("form", ["arrow", "parquet"])
class TestTables:
    async def test_days(self, api, form):
        response = await api.v1("history", symbols=TWO, format=form, **DAYS)
        assert response.headers["content-type"] == MEDIA[form]
        table = table_of(form, response.content)
        assert table.schema.field("symbol").type == pa.large_string(), "old readers know no views"
        assert table.schema.field("date").type == pa.date32()
        assert table.schema.field("volume").type == pa.float64(), "whatever its values are"
        assert table.column_names[:3] == ["symbol", "date", "open"]
        assert table.column("symbol").to_pylist() == ["000001.SZ"] * 3 + ["600519.SH"] * 3
        assert table.column("date").to_pylist()[0] == date(2024, 1, 10)
        assert table.column("final").to_pylist() == [True] * 6

    async def test_minutes(self, api, form):
        response = await api.v1("history", symbols="000001.SZ", format=form, **DAY)
        table = table_of(form, response.content)
        assert table.schema.field("time").type == pa.timestamp("ms", "Asia/Shanghai")
        first = table.column("time").to_pylist()[0]
        assert first.astimezone(UTC) == datetime(2024, 1, 10, 1, 31, tzinfo=UTC)

    async def test_meta_travels_in_the_schema(self, api, form):
        symbols = "000001.SZ,nonsense,600519.SH"
        params = {"symbols": symbols, "format": form, "adjust": "pre", **DAYS}
        response = await api.v1("history", headers={"X-Request-ID": "r7"}, **params)
        schema = table_of(form, response.content).schema
        meta = json.loads(schema.metadata[b"argus.meta"])
        assert meta["source"] == "small"
        assert meta["simulated"] is False
        assert meta["adjust"]["method"] == "pre"
        assert meta["trace_id"] == "r7"
        assert meta["errors"]["nonsense"]["code"] == "INVALID_PARAMETER"
        assert response.headers["x-argus-errors"] == "nonsense=INVALID_PARAMETER"

    async def test_no_rows(self, api, form):
        response = await api.v1("history", symbols="000002.SZ", format=form, **DAYS)
        table = table_of(form, response.content)
        assert table.num_rows == 0
        assert "close" in table.column_names

    async def test_many_rows_are_encoded_off_the_loop(self, api, form):
        params = {"symbols": TWO, "start_date": "2023-01-01", "end_date": "2024-01-12"}
        response = await api.v1("history", period="1m", format=form, **params)
        assert table_of(form, response.content).num_rows > 1500


@pytest.mark.parametrize("form", ["json", "json-columns", "csv", "arrow", "legacy"])
async def test_nothing_of_a_large_answer_is_made_on_the_event_loop(api, monkeypatch, form):
    loop = threading.get_ident()
    makers = []
    for module in (formats, envelope):
        real = module.etag_of

        def spy(*args, real=real):
            makers.append(threading.get_ident())
            return real(*args)

        monkeypatch.setattr(module, "etag_of", spy)

    async def ask(first):
        bounds = {"start_date": first, "end_date": "2024-01-12", "period": "1m"}
        makers.clear()
        if form == "legacy":
            response = await api.get("/hist_kline", symbol="000001.SZ", **bounds)
        else:
            response = await api.v1("history", symbols="000001.SZ", format=form, **bounds)
        assert response.status_code == 200
        return makers[0]

    assert await ask("2024-01-10") == loop, "a thread costs a small answer more than it saves"
    assert await ask("2021-01-01") != loop


class TestTexts:
    async def test_csv(self, api):
        response = await api.v1("history", symbols=TWO, format="csv", **DAY)
        assert response.headers["content-type"] == MEDIA["csv"]
        lines = response.text.splitlines()
        assert lines[0].startswith("symbol,time,date,open,high,low,close,volume,turnover")
        assert lines[1].startswith("000001.SZ,2024-01-10T09:31:00+08:00,2024-01-10,12.0,12.5")
        assert ",1000000,12150000.0," in lines[1]
        assert len(lines) == 1 + 6

    async def test_ndjson(self, api):
        api.clock.advance(-5 * 3600)
        bounds = {"start_date": "2024-01-12", "end_date": "2024-01-15"}
        response = await api.v1("history", symbols=TWO, format="ndjson", **bounds)
        assert response.headers["content-type"] == MEDIA["ndjson"]
        rows = [json.loads(line) for line in response.text.splitlines()]
        assert [row["symbol"] for row in rows] == ["000001.SZ"] * 2 + ["600519.SH"] * 2
        assert [row.get("final") for row in rows] == [None, False, None, False]
        assert [row["date"] for row in rows] == ["2024-01-12", "2024-01-15"] * 2

    async def test_columns(self, api):
        response = await api.v1(
            "history", symbols=f"{TWO},000002.SZ", format="json-columns", **DAYS
        )
        body = response.json()
        columns = body["data"]["000001.SZ"]
        assert columns["date"] == ["2024-01-10", "2024-01-11", "2024-01-12"]
        assert columns["volume"] == [1000000] * 3
        assert columns["final"] == [True] * 3
        assert body["data"]["000002.SZ"]["close"] == []
        assert body["total_records"] == 6

    async def test_all_formats_hold_the_same_bars(self, api):
        params = {"symbols": TWO, **DAYS}
        rows = (await api.v1("history", **params)).json()["data"]
        expected = [{"symbol": s, **row} for s in rows for row in rows[s]]
        for form in ("csv", "ndjson", "arrow", "parquet"):
            content = (await api.v1("history", format=form, **params)).content
            frame = READERS[form](content)
            assert json.loads(frame.select(list(expected[0])).write_json()) == expected


READERS = {
    "csv": lambda content: pl.read_csv(content, try_parse_dates=True),
    "ndjson": pl.read_ndjson,
    "arrow": pl.read_ipc_stream,
    "parquet": pl.read_parquet,
}


class TestNegotiation:
    @pytest.mark.parametrize("form", ["json", "csv", "ndjson", "arrow", "parquet"])
    async def test_accept(self, api, form):
        headers = {"Accept": MEDIA[form]}
        response = await api.v1("history", symbols=TWO, headers=headers, **DAYS)
        assert response.headers["content-type"] == MEDIA[form]
        assert "Accept" in response.headers["vary"]

    async def test_format_goes_before_accept(self, api):
        headers = {"Accept": "text/csv"}
        response = await api.v1("history", symbols=TWO, format="json", headers=headers, **DAYS)
        assert response.headers["content-type"] == "application/json"

    async def test_none_that_is_on_offer(self, api):
        headers = {"Accept": "application/xml"}
        response = await api.v1("history", symbols=TWO, headers=headers, **DAYS)
        assert response.status_code == 406
        assert response.json()["error"]["code"] == "NOT_ACCEPTABLE"
        assert "text/csv" in response.json()["error"]["details"]["allowed"]


def bars(volumes, finals):
    count = len(volumes)
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(count)]
    return pl.DataFrame(
        {"date": days, "close": [1.5] * count, "volume": volumes, "final": finals},
        schema={
            "date": pl.Date,
            "close": pl.Float64,
            "volume": pl.Float64,
            "final": pl.Boolean,
        },
    )


VOLUMES = st.one_of(st.none(), st.integers(0, 10**12).map(float), st.floats(0, 1e6))


@given(st.lists(st.tuples(VOLUMES, st.booleans()), max_size=12))
def test_rows_keep_every_value_in_order(pairs):
    volumes, finals = [v for v, _ in pairs], [f for _, f in pairs]
    rows = json.loads(frames.rows(bars(volumes, finals)))
    assert [row["volume"] for row in rows] == volumes
    assert [row.get("final", True) for row in rows] == finals
    assert all(row.get("final") is not True for row in rows)
    lines = frames.ndjson(bars(volumes, finals)).decode().splitlines()
    assert [json.loads(line) for line in lines] == rows


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**15).map(float)), max_size=8))
def test_whole_volumes_are_written_without_a_fraction(volumes):
    text = frames.rows(bars(volumes, [True] * len(volumes))).decode()
    written = [row["volume"] for row in json.loads(text)]
    assert written == volumes
    assert not any(isinstance(volume, float) for volume in written)
