"""Ex-dates, however the client writes them down: nobody has shown what the label of a row is."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from argus_core import BadData, FactorsQuery, Symbol
from argus_xtquant.factors import read_factors

pd = pytest.importorskip("pandas")
SHARE = Symbol("600519.SH")
IN_BEIJING = 1_718_812_800_000
"""Midnight of 2024-06-20 in Beijing, in milliseconds."""


def factors(label, **columns):
    """What becomes of one event under this label."""
    table = pd.DataFrame({label: {"interest": 3.0, "dr": 1.25, **columns}}).T
    xtdata = SimpleNamespace(get_divid_factors=lambda code, start, end: table)
    session = SimpleNamespace(call=lambda what, ask: ask(xtdata))
    query = FactorsQuery(symbols=(SHARE,), start=date(2024, 6, 3), end=date(2024, 6, 28))
    return [(row["date"], row["factor"]) for row in read_factors(session, query)]


@pytest.mark.parametrize(
    "label",
    [
        *("20240620", 20240620, "2024-06-20", IN_BEIJING, str(IN_BEIJING)),
        *(float(IN_BEIJING), pd.Timestamp(2024, 6, 20), date(2024, 6, 20)),
    ],
)
def test_the_label_is_a_date_in_any_spelling(label):
    assert factors(label) == [(date(2024, 6, 3), 1.0), (date(2024, 6, 20), 1.25)]


def test_the_time_goes_before_a_label_that_only_counts():
    assert factors(0, time=IN_BEIJING)[1:] == [(date(2024, 6, 20), 1.25)]


@pytest.mark.parametrize("label", [0, "x", 1.5])
def test_an_event_without_a_date_is_no_event_on_any_day(label):
    with pytest.raises(BadData, match="without date"):
        factors(label)
