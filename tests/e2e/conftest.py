"""The three vendors' stand-ins, started once: each takes seconds to read its recorded world."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from support.vendors import LATE, TABLES, vendor


@pytest.fixture(scope="session")
def running(market_data):
    with ExitStack() as stack:
        yield {name: stack.enter_context(vendor(name, market_data)) for name in TABLES}


@pytest.fixture
def vendors(running):
    """The stand-ins by plugin, on a late day; a test ends what else it has told them to do."""
    for one in running.values():
        one.moves(LATE)
    return running
