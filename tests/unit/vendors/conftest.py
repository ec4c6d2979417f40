"""The stand-in for miniQMT, and the shipped xtdata.py connected to it."""

from __future__ import annotations

import pytest
from vendors import world as worlds
from vendors.xtquant_native import shipped, shipped_xtdata
from vendors.xtquant_server import MiniQmt


@pytest.fixture(scope="session")
def world(market_data):
    return worlds.load(market_data)


@pytest.fixture
def miniqmt(world):
    """A server of its own in a thread of this process."""
    server = MiniQmt(world).start()
    yield server
    server.stop()


@pytest.fixture
def xtdata(miniqmt):
    """The shipped module, connected; it skips where the package is absent."""
    if not shipped():
        pytest.skip("the xtquant package is not installed")
    module = shipped_xtdata()
    module.disconnect()
    module.connect("127.0.0.1", miniqmt.port)
    yield module
    module.disconnect()
