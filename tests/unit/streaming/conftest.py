"""What tests of streaming share."""

import pytest
from support.clock import TestClock
from support.feeding import Studio


@pytest.fixture
def clock():
    """A clock that stands still, on a Friday morning within the session."""
    return TestClock("2024-03-15 10:00:00")


@pytest.fixture
async def studio(clock):
    """A function that makes streaming over pools; it is closed after the test."""
    made = []

    def make(*pools, **table):
        one = Studio(clock, *pools, **table)
        made.append(one)
        return one

    yield make
    for one in made:
        one.hub.close()
        await one.supplier.aclose()
