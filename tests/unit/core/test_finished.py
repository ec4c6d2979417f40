"""Finished series: the same object for the same frames and terms, and never for others."""

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from argus_core.finished import LONGEST, Finished


class Maker:
    """Makes series of so many rows, and counts them."""

    def __init__(self):
        self.calls = 0

    def of(self, rows):
        def make():
            self.calls += 1
            return pl.DataFrame({"n": range(rows)}), date(2024, 3, 15)

        return make


def frame(rows=3):
    return pl.DataFrame({"close": [float(n) for n in range(rows)]})


def test_the_same_frames_and_terms_give_the_same_series():
    finished, maker, bars, factors = Finished(), Maker(), frame(), frame()
    first = finished.of((bars, factors), ("pre", 1), maker.of(3))
    assert finished.of((bars, factors), ("pre", 1), maker.of(3)) is first
    assert maker.calls == 1


def test_other_terms_and_other_frames_however_equal_are_made_anew():
    finished, maker, bars = Finished(), Maker(), frame()
    finished.of((bars, None), "none", maker.of(3))
    finished.of((bars, None), "pre", maker.of(3))
    finished.of((bars, frame()), "none", maker.of(3))
    finished.of((bars.clone(), None), "none", maker.of(3))
    assert maker.calls == 4


def test_a_frame_that_is_gone_is_never_taken_for_another():
    finished, seen = Finished(), set()
    for number in range(200):
        bars = frame()  # nothing else keeps it, so another might get its identity
        made, _ = finished.of((bars, None), "none", Maker().of(number % 7))
        assert made.height == number % 7
        seen.add(id(bars))
    assert len(seen) == 200


def test_a_very_long_one_is_not_kept():
    finished, maker, bars = Finished(), Maker(), frame()
    for _ in range(2):
        finished.of((bars, None), "none", maker.of(LONGEST + 1))
    assert maker.calls == 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), max_size=80))
def test_what_is_kept_is_bounded_and_the_last_asked_is_there(asked):
    finished = Finished(most_rows=100)
    frames = [frame() for _ in range(10)]
    for place, rows in asked:
        made, _ = finished.of((frames[place], None), rows, Maker().of(rows))
        assert made.height == rows
        again = Maker()
        assert finished.of((frames[place], None), rows, again.of(rows))[0] is made
        assert again.calls == 0
        assert sum(1 + kept.height for _, (kept, _) in finished._known.values()) <= 100
