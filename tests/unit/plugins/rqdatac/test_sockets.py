"""Connections are counted, bounded in time, and really closed."""

import socket

import pytest

from argus_core import SourceTimeout, SourceUnavailable
from argus_rqdatac.sockets import Sockets


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def pairs():
    made = []
    yield made
    for end in made:
        end.close()


@pytest.fixture
def sockets(now, pairs):
    def connect(address, timeout):
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        pairs.append(theirs)
        return ours

    found = Sockets(connect, lambda: now[0])
    yield found
    found.close_all()


def test_open_connections_are_counted(sockets):
    one, _ = sockets(("h", 1), timeout=5), sockets(("h", 1), timeout=5)
    assert sockets.count == 2
    one.close()
    assert sockets.count == 1


def test_those_that_the_pool_forgot_are_closed(sockets, pairs):
    older, newest = sockets(("h", 1), timeout=5), sockets(("h", 1), timeout=5)
    sockets.keep_newest()
    assert (older.fileno(), sockets.count) == (-1, 1)
    assert newest.fileno() >= 0
    pairs[0].settimeout(5)
    assert pairs[0].recv(1) == b""


def test_a_call_out_of_time_opens_no_other_connection(sockets, now):
    sockets.allow_until(10.0)
    sockets(("h", 1), timeout=5)
    now[0] = 10.1
    with pytest.raises(SourceTimeout) as error:
        sockets(("h", 1), timeout=5)
    # The vendor's client retries these, and would send the question again.
    assert not isinstance(error.value, ConnectionError | TimeoutError)


def test_a_closed_source_opens_none(sockets):
    made = sockets(("h", 1), timeout=5)
    sockets.refuse()
    assert made.fileno() == -1
    with pytest.raises(SourceUnavailable):
        sockets(("h", 1), timeout=5)
