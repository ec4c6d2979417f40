"""How coarse an answer is: kept in the cache, summed over longer bars, the coarsest one told."""

from datetime import datetime, timedelta

import pytest

from argus_core import SHANGHAI, Period
from argus_core.caching.entry import Entry
from argus_core.model.answer import Answer, Provenance
from argus_core.series import _summed

AT = datetime(2024, 3, 15, 10, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("base", "period", "expected"),
    [
        (Period.D1, Period.D1, 100),
        (Period.D1, Period.W1, 500),
        (Period.D1, Period.MON1, 2300),
        (Period.M1, Period.M5, 500),
        (Period.M1, Period.H1, 6000),
        (Period.M5, Period.M30, 600),
    ],
)
def test_rounding_adds_up_in_longer_bars(base, period, expected):
    assert _summed({"volume": 100.0}, base, period) == {"volume": expected}


def test_a_cached_value_keeps_its_resolution():
    entry = Entry(
        payload=b"payload",
        source="qmt",
        simulated=False,
        fetched_at=AT,
        fresh_until=AT + timedelta(1),
        resolution={"volume": 100.0},
    )
    assert Entry.unpack(entry.pack("k"), "k") == entry
    assert entry.provenance("l1").resolution == {"volume": 100.0}


def test_the_coarsest_step_of_several_sources_is_told():
    def origin(**steps):
        return Provenance(source="x", fetched_at=AT, fresh_until=AT, resolution=steps)

    answer = Answer(
        data={},
        errors={},
        provenance={"a": origin(volume=100.0), "b": origin(volume=1000.0, turnover=1.0)},
    )
    assert answer.resolution == {"volume": 1000.0, "turnover": 1.0}
