"""Folders and buckets of series."""

from datetime import date
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from argus_core.history.series import SeriesKey

UNSAFE = set('<>:"/\\|?*') | {chr(n) for n in range(32)}
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def parts(key):
    return dict(part.split("=", 1) for part in key.folder.split("/")[1:])


@given(texts, texts)
@example("QMT A", "../../etc")
@example("..", "CON.")
@example("数据源", "rb2410.SHFE")
def test_a_folder_tells_its_series_and_is_a_name_on_any_system(source, symbol):
    found = parts(SeriesKey("bars", "1m", source, symbol))
    assert {name: unquote(text) for name, text in found.items()} == {
        "period": "1m",
        "source": source,
        "symbol": symbol,
    }
    for text in found.values():
        assert not set(text) & UNSAFE
        assert not text.endswith((".", " "))


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=8))
def test_sources_that_differ_in_case_only_have_folders_that_differ_in_more(source):
    folders = {
        SeriesKey("bars", "1d", name, "a").folder.casefold().replace("%", "")
        for name in {source.lower(), source.upper()}
    }
    assert len(folders) == len({source.lower(), source.upper()})


def test_a_very_long_name_ends_in_a_digest():
    one, other = ("🌕" * 70 + end for end in "ab")
    folders = {SeriesKey("bars", "1d", name, "a").folder for name in (one, other)}
    assert len(folders) == 2
    assert all(len(part.encode()) < 255 for folder in folders for part in folder.split("/"))


def test_factors_have_no_period():
    assert SeriesKey("factors", "", "a", "600519.SH").folder == "factors/source=a/symbol=600519.SH"


@pytest.mark.parametrize(
    ("dataset", "period", "names"),
    [
        ("bars", "1m", ["2023-11", "2023-12", "2024-01", "2024-02"]),
        ("bars", "1h", ["2023-11", "2023-12", "2024-01", "2024-02"]),
        ("bars", "1d", ["2023", "2024"]),
        ("bars", "1mon", ["2023", "2024"]),
        ("factors", "", ["all"]),
    ],
)
def test_buckets(dataset, period, names):
    key = SeriesKey(dataset, period, "a", "b")
    assert [b.name for b in key.buckets(date(2023, 11, 30), date(2024, 2, 29))] == names
    for bucket in key.buckets(date(2023, 11, 30), date(2024, 2, 29)):
        assert key.bucket(bucket.first) == key.bucket(bucket.last) == bucket


def test_buckets_at_the_ends_of_time():
    key = SeriesKey("bars", "1m", "a", "b")
    assert [b.name for b in key.buckets(date(1, 1, 1), date(1, 2, 1))] == ["0001-01", "0001-02"]
    assert [b.name for b in key.buckets(date(9999, 12, 1), date.max)] == ["9999-12"]
