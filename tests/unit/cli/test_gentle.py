"""Whoever does not take the last words of a server is not waited for for ever."""

import pytest
import uvicorn

from argus_api.lifecycle import Lifecycle
from argus_cli import garbage
from argus_cli.gentle import UNTAKEN, GentleServer


class Transport:
    """A transport with so many bytes left."""

    def __init__(self, left, *, closing=True):
        self.left = left
        self.closing = closing
        self.aborted = False

    def is_closing(self):
        return self.closing

    def get_write_buffer_size(self):
        return self.left

    def abort(self):
        self.aborted = True


class Connection:
    def __init__(self, transport):
        self.transport = transport


@pytest.fixture
def server():
    return GentleServer(uvicorn.Config(None), Lifecycle(), lambda: None)


def connected(server, *transports):
    server.server_state.connections = {Connection(one) for one in transports}


def looked_at(server, *transports, seconds, takes=0):
    """Second by second, while everybody takes so many bytes."""
    for now in range(int(seconds)):
        server._cut_off(float(now))
        for one in transports:
            one.left -= takes


def test_one_that_takes_nothing_more_is_cut_off(server):
    stuck, open_still = Transport(70_000), Transport(70_000, closing=False)
    connected(server, stuck, open_still)
    looked_at(server, seconds=UNTAKEN)
    assert not stuck.aborted
    looked_at(server, seconds=UNTAKEN + 2)
    assert stuck.aborted
    assert not open_still.aborted


def test_one_that_takes_it_slowly_has_the_time_that_it_needs(server):
    slow = Transport(70_000)
    connected(server, slow)
    looked_at(server, slow, seconds=600, takes=100)
    assert not slow.aborted


def test_nothing_is_kept_of_those_who_have_gone(server):
    connected(server, *(Transport(1) for _ in range(5)))
    looked_at(server, seconds=2)
    connected(server)
    looked_at(server, seconds=1)
    assert not server._untaken


async def test_uvicorn_s_own_ticks_go_on(server):
    stuck = Transport(1)
    connected(server, stuck)
    assert await server.on_tick(10) is False
    assert server.server_state.default_headers is not None
    server.should_exit = True
    assert await server.on_tick(11) is True
    assert len(server._untaken) == 1


async def test_garbage_is_looked_for_in_quiet_moments(monkeypatch):
    looks, life = [], Lifecycle()
    monkeypatch.setattr(garbage, "tidy", lambda: looks.append(1))
    server = GentleServer(uvicorn.Config(None), life, lambda: None)
    await server.on_tick(1)
    assert len(looks) == 1
    life.busy = lambda: True
    for tick in range(2, 6):
        await server.on_tick(tick)
    assert len(looks) == 1
    await server.on_tick(6)  # there may be no quiet moment
    assert len(looks) == 2
