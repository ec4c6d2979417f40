"""``/api/v1/quality/revisions``: late corrections out of the archive's ledger."""

from contextlib import contextmanager
from datetime import date

import polars as pl
import pytest

from argus_api.v1.revisions import RevisionsBody
from argus_core import Principal
from argus_core.history.archive import Archive, SeriesKey

PATH = "/api/v1/quality/revisions"
START, END = date(2024, 1, 8), date(2024, 1, 12)


@contextmanager
def opened(path, clock):
    archive = Archive(path, clock)
    archive.open()
    yield archive
    archive.close()


def corrected(archive, clock, symbol, *, source="small", old=10.0, new=10.5):
    """One close of an archived day, written and then corrected a minute later."""
    key = SeriesKey("bars", "1d", source, symbol)
    for close in (old, new):
        clock.advance(60)
        frame = pl.DataFrame({"date": [START], "open": [10.0], "close": [close]})
        archive.write(key, frame, START, END, fetched_at=clock.now(), resolution={})


@pytest.fixture
async def archived(start, tmp_path, clock):
    """An application with an archive of two corrected series."""
    path = tmp_path / "history"
    with opened(path, clock) as archive:
        corrected(archive, clock, "600519.SH")
        corrected(archive, clock, "000001.SZ", source="other")
    async with start(history={"path": str(path)}) as api:
        yield api


async def revisions(api, status=200, **params):
    answer = await api.get(PATH, **params)
    assert answer.status_code == status, answer.text
    if status != 200:
        return answer.json()["error"]
    RevisionsBody.model_validate_json(answer.content, extra="forbid")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


async def test_without_an_archive_nothing_can_be_noticed(api):
    body = await revisions(api)
    assert (body["data"], body["archive"], body["total_records"]) == ([], False, 0)
    assert body["next_cursor"] is None


async def test_corrections_come_the_newest_first(archived):
    body = await revisions(archived)
    assert body["archive"] is True
    assert (body["total_records"], body["next_cursor"]) == (2, None)
    first, second = body["data"]
    assert (first["symbol"], second["symbol"]) == ("000001.SZ", "600519.SH")
    assert second == {
        "source": "small",
        "symbol": "600519.SH",
        "dataset": "bars",
        "period": "1d",
        "label": "2024-01-08",
        "field": "close",
        "old": 10.0,
        "new": 10.5,
        "noticed_at": "2024-01-15T15:32:00+08:00",
        "kind": "changed",
    }


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"symbol": "sh600519"}, ["600519.SH"]),
        ({"symbol": "000002.SZ"}, []),
        ({"source": "other"}, ["000001.SZ"]),
        ({"source": "nobody"}, []),
        ({"since": "2024-01-15T15:33:00"}, ["000001.SZ"]),
        ({"since": "2024-01-15T07:32:00Z"}, ["000001.SZ", "600519.SH"]),
        ({"since": "20240115"}, ["000001.SZ", "600519.SH"]),
        ({"since": "2024-01-16"}, []),
        ({"limit": 1}, ["000001.SZ"]),
        ({"symbol": "600519.SH", "source": "other"}, []),
    ],
)
async def test_they_can_be_narrowed(archived, params, found):
    body = await revisions(archived, **params)
    assert [row["symbol"] for row in body["data"]] == found
    assert body["archive"] is True


async def test_all_of_them_can_be_read_page_by_page(start, tmp_path, clock):
    days = pl.date_range(date(2020, 1, 1), date(2023, 12, 31), eager=True)
    with opened(tmp_path / "history", clock) as archive:
        for close in (10.0, 10.5):
            clock.advance(0.123457)
            frame = pl.DataFrame({"date": days, "close": [close] * len(days)})
            key = SeriesKey("bars", "1d", "small", "600519.SH")
            span = (days[0], days[-1])
            archive.write(key, frame, *span, fetched_at=clock.now(), resolution={})
        corrected(archive, clock, "000001.SZ")
    async with start(history={"path": str(tmp_path / "history")}) as api:
        asked = {"symbol": "600519.SH", "limit": 1000}
        first = await revisions(api, **asked)
        second = await revisions(api, **asked, cursor=first["next_cursor"])
    assert (len(first["data"]), len(second["data"])) == (1000, 461)
    assert first["total_matching"] == second["total_matching"] == 1461
    assert second["next_cursor"] is None
    labels = [row["label"] for row in first["data"] + second["data"]]
    assert labels == [str(day) for day in reversed(days)]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "ten"},
        {"limit": "+5"},
        {"limit": "٣"},
        {"since": "yesterday"},
        {"cursor": ""},
        {"cursor": "7"},
        {"cursor": "7-nan"},
        {"cursor": "٣-1.5"},
        {"cursor": "9" * 19 + "-1.5"},
        {"symbol": "nonsense"},
        {"symbol": ""},
        {"from": "2024-01-01"},
    ],
)
async def test_what_cannot_be_used_is_refused(api, params):
    error = await revisions(api, 400, **params)
    assert error["code"] == "INVALID_PARAMETER"
    ((name, value),) = params.items()
    assert name in error["message"] or value in error["message"]


async def test_data_may_be_read_with_its_scope_only(api, monkeypatch):
    async def authenticate(_presented):
        return Principal(id="someone", scopes=frozenset({"manage"}))

    monkeypatch.setattr(api.gateway, "authenticate", authenticate)
    assert (await revisions(api, 403))["details"] == {"scope": "data"}


async def test_credentials_are_asked_for(start):
    async with start(auth={"plugins": ["api_key"]}) as api:
        await revisions(api, 401)
