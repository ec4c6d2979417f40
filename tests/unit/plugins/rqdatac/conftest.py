"""One loopback RQData server for all tests of the plugin, made new for each."""

from __future__ import annotations

import importlib.util

import pytest
from support.rqdata import PASSWORD, USER, without_pauses
from vendors.world import load


@pytest.fixture(scope="session")
def world(market_data):
    return load(market_data)


@pytest.fixture(scope="package")
def running(world, market_data):
    if importlib.util.find_spec("rqdatac") is None:
        pytest.skip("the rqdatac package is not installed")
    from vendors.rqdata_server import RQDataServer

    server = RQDataServer(world, data=market_data, user=USER, password=PASSWORD).start()
    yield server
    server.stop()


@pytest.fixture
def server(running):
    everything = {"clear": True, "now": None, "replay": None, "scale_volume": None}
    running.control(everything | {"sessions": None, "live": {"silence": False}})
    running.control({"quota": {"bytes_limit": 0, "bytes_used": 0}})
    return running


@pytest.fixture
def quick(monkeypatch):
    """Retries without pauses."""
    without_pauses(monkeypatch)
