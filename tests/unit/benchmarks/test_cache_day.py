"""A short replay: the same code as the long one, and the same bars."""

from datetime import date

import cache_day
import pytest


@pytest.mark.long
def test_a_short_day_reaches_the_bars():
    outcome = cache_day.compared(requests=500, seed=11, symbols=40, day=date(2023, 7, 12))
    assert not outcome.missed, cache_day.table(outcome)
    assert outcome.plain.old > 0
    assert outcome.clairvoyant.rate() > outcome.plain.rate()
