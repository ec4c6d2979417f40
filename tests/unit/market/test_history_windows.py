"""What a window of history holds, against a model that looks at every row on its own."""

from datetime import date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Period, Symbol
from argus_core.market.history import history_frame
from argus_core.market.sessions import sessions_of
from argus_core.model.query import HistoryQuery

SYMBOL = Symbol("600519.SH")
MONDAY = date(2024, 3, 4)
NOW = datetime(2024, 3, 30, 12, tzinfo=SHANGHAI)
DAYS = st.integers(0, 12).map(lambda n: MONDAY + timedelta(days=n))
INSTANTS = st.integers(0, 12 * 24 * 2).map(
    lambda n: datetime(2024, 3, 4, tzinfo=SHANGHAI) + timedelta(minutes=30 * n)
)


def minutes(stamps: list[datetime]) -> pl.DataFrame:
    """Raw minute bars without a previous close, each a cent dearer."""
    closes = [10 + n / 100 for n in range(len(stamps))]
    frame = pl.DataFrame(
        {
            "time": pl.Series(stamps, dtype=pl.Datetime("ms", "Asia/Shanghai")),
            **{name: pl.Series(closes, dtype=pl.Float64) for name in ("open", "high", "low")},
            "close": pl.Series(closes, dtype=pl.Float64),
            "volume": pl.Series([100.0] * len(stamps), dtype=pl.Float64),
            "turnover": pl.Series([1000.0] * len(stamps), dtype=pl.Float64),
            "prev_close": pl.Series([None] * len(stamps), dtype=pl.Float64),
            "final": pl.Series([True] * len(stamps), dtype=pl.Boolean),
        }
    )
    return frame.with_columns(date=pl.col("time").dt.date())


def in_force(factors: dict[date, float], day: date) -> float | None:
    return next((factors[d] for d in sorted(factors, reverse=True) if d <= day), None)


@settings(deadline=None)
@given(
    stamps=st.lists(INSTANTS, unique=True, max_size=8).map(sorted),
    factors=st.dictionaries(DAYS, st.sampled_from([1.0, 1.5]), max_size=4),
    start=DAYS | INSTANTS,
    end=DAYS | INSTANTS,
)
def test_rows_and_changes_are_those_of_the_model(stamps, factors, start, end):
    table = pl.DataFrame(
        {
            "date": pl.Series(list(factors), dtype=pl.Date),
            "factor": pl.Series(list(factors.values()), dtype=pl.Float64),
        }
    )
    frame, _ = history_frame(
        minutes(stamps),
        query=HistoryQuery(symbols=(SYMBOL,), period=Period.M1, start=start, end=end),
        period=Period.M1,
        sessions=sessions_of(SYMBOL),
        now=NOW,
        factors=table,
    )
    expected = []
    for number, stamp in enumerate(stamps):
        label = {
            bound: stamp if isinstance(bound, datetime) else stamp.date() for bound in (start, end)
        }
        if label[start] < start or label[end] > end:
            continue
        change = None
        if number:
            before = stamps[number - 1].date()
            scales = in_force(factors, before), in_force(factors, stamp.date())
            same = before == stamp.date() or not factors or scales[0] == scales[1] is not None
            change = 0.01 if same else None
        expected.append((stamp, change))
    assert list(zip(frame["time"], frame["change"], strict=True)) == expected
