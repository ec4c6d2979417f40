"""Days that a vendor leaves out are not sealed while another vendor has them."""

from datetime import date

import pytest
from support.sources import symbols
from support.vendor import MovedClock, Vendor, asking, bars, house

from argus_core import SourceUnavailable
from argus_core.history.archive import SeriesKey
from argus_core.market.calendar import previous_session

(A,) = symbols("600519.SH")
LOST = date(2024, 3, 7)
MARCH = bars("2024-03-04", "2024-03-14", A)


class Chained(Vendor):
    """Says what the exchange says of the day before, whether it has that day or not."""

    async def bars(self, query):
        rows = await super().bars(query)
        for row in rows:
            row["prev_close"] = self.close_of(row["symbol"], previous_session(row["time"]))
        return rows


@pytest.fixture
def clock():
    return MovedClock("2024-03-15 10:00:00")


@pytest.fixture
async def home(tmp_path, clock):
    opened = []

    def build(*vendors, **terms):
        made = house(tmp_path / "archive", clock, *vendors, **terms)
        opened.append(made)
        return made

    yield build
    for one in opened:
        await one.close()


def sealed(home, source):
    key = SeriesKey("bars", "1d", source, A)
    return home.archive.covered([key])[key]


async def test_the_same_question_twice_gets_the_whole_series_twice(home, clock):
    one, two = Chained("one", clock, suspended=[LOST]), Chained("two", clock)
    made = home(one, two)
    for _ in range(3):
        answer = await made.past.fetch(MARCH, asking(clock))
        assert LOST in answer.data[A]["date"].to_list()
        assert answer.provenance[A].source == "two"
    assert not sealed(made, "one")
    assert sealed(made, "two")
    assert len(two.calls) <= 3


async def test_who_owns_the_series_and_leaves_a_day_out_later_is_passed_over(home, clock):
    one, two = Chained("one", clock, suspended=[LOST]), Chained("two", clock)
    made = home(one, two)
    early = await made.past.fetch(bars("2024-02-26", "2024-03-05", A), asking(clock))
    assert early.provenance[A].source == "one"
    answer = await made.past.fetch(bars("2024-02-26", "2024-03-14", A), asking(clock))
    assert LOST in answer.data[A]["date"].to_list()
    assert answer.provenance[A].source == "two"
    assert sealed(made, "one").pairs == ((date(2024, 2, 26), date(2024, 3, 5)),)


async def test_a_suspension_that_both_know_is_sealed(home, clock):
    one, two = (Chained(name, clock, suspended=[LOST]) for name in ("one", "two"))
    made = home(one, two)
    answer = await made.past.fetch(MARCH, asking(clock))
    assert answer.provenance[A].source == "one"
    assert sealed(made, "one")


async def test_what_nobody_could_confirm_is_served_but_not_sealed(home, clock):
    one, two = Chained("one", clock, suspended=[LOST]), Chained("two", clock)
    two.failing = SourceUnavailable("gone")
    made = home(one, two)
    answer = await made.past.fetch(MARCH, asking(clock))
    assert LOST not in answer.data[A]["date"].to_list()
    assert answer.provenance[A].source == "one"
    assert not sealed(made, "one")


async def test_where_there_is_nobody_else_it_is_sealed(home, clock):
    made = home(Chained("one", clock, suspended=[LOST]))
    await made.past.fetch(MARCH, asking(clock))
    assert sealed(made, "one")
