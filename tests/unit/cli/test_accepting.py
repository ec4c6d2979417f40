"""Connections are taken many at a turn of the loop, whichever loop it is."""

import asyncio
import contextlib
import errno
import os
import socket
import sys
import time

import pytest

from argus_cli import accepting
from argus_cli.accepting import Acceptor

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows' loop takes them itself")
uvloop = pytest.importorskip("uvloop", reason="the other loop (the extra `speed`)")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Greeting(asyncio.Protocol):
    """Says a word to whoever comes."""

    def connection_made(self, transport):
        transport.write(b"welcome")


class Failing:
    """A listener that fails with these errors at first."""

    def __init__(self, listener, *errors):
        self.tries = 0
        self._listener = listener
        self._errors = list(errors)

    def __getattr__(self, name):
        return getattr(self._listener, name)

    def accept(self):
        self.tries += 1
        if self._errors:
            number = self._errors.pop(0)
            raise OSError(number, os.strerror(number))
        return self._listener.accept()


@pytest.fixture(params=list(LOOPS))
def run(request):
    """Run a coroutine function in one of the loops."""

    def running(main):
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(main())

    return running


@pytest.fixture
def listener():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def callers(stack, listener, many):
    """So many clients, connected as far as the kernel goes."""
    made = []
    for _ in range(many):
        one = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=5))
        one.setblocking(False)
        made.append(one)
    return made


def welcomed(clients):
    """How many have heard a word so far."""
    found = 0
    for one in clients:
        with contextlib.suppress(BlockingIOError):
            found += one.recv(16, socket.MSG_PEEK) == b"welcome"
    return found


def test_after_a_pause_those_who_come_anew_wait_for_few_turns(run, listener):
    async def main():
        acceptor = Acceptor(listener, Greeting, backlog=256)
        with contextlib.ExitStack() as stack:
            clients = callers(stack, listener, 150)  # while the loop stands
            turns = 0
            while welcomed(clients) < len(clients):
                await asyncio.sleep(0)
                time.sleep(0.01)  # noqa: ASYNC251 - the work of the others, in each turn
                turns += 1
            acceptor.close()
            return turns

    assert run(main) <= 90


def test_where_turns_are_short_one_a_turn_is_taken(run, listener):
    async def main():
        acceptor = Acceptor(listener, Greeting, backlog=256)
        with contextlib.ExitStack() as stack:
            clients = callers(stack, listener, 20)
            for _ in range(4):
                await asyncio.sleep(0)
            assert welcomed(clients) <= 4
            while welcomed(clients) < len(clients):  # noqa: ASYNC110 - turns are what is counted
                await asyncio.sleep(0)
            acceptor.close()

    run(main)


@pytest.mark.parametrize("pause", [0.05, 0.4])
def test_a_time_in_which_nobody_came_is_no_long_turn(run, listener, pause):
    async def main():
        acceptor = Acceptor(listener, Greeting, backlog=256)
        with contextlib.ExitStack() as stack:
            callers(stack, listener, 1)
            await asyncio.sleep(pause)
            clients = callers(stack, listener, 20)
            for _ in range(3):
                await asyncio.sleep(0)
            assert welcomed(clients) <= 3
            acceptor.close()

    run(main)


def test_nobody_is_taken_while_others_are_sent_something_but_for_ever(run, listener):
    async def main():
        acceptor = Acceptor(listener, Greeting, backlog=256, busy=lambda: True)
        with contextlib.ExitStack() as stack:
            clients = callers(stack, listener, 5)
            for _ in range(accepting.PATIENCE):
                await asyncio.sleep(0)
            assert welcomed(clients) == 0
            for _ in range(8 * (accepting.PATIENCE + 1)):
                await asyncio.sleep(0)
            assert welcomed(clients) == 5
            acceptor.close()

    run(main)


def test_closed_it_takes_nobody_and_leaves_the_socket(run, listener):
    async def main():
        acceptor = Acceptor(listener, Greeting, backlog=256)
        with contextlib.ExitStack() as stack:
            acceptor.close()
            acceptor.close()
            clients = callers(stack, listener, 3)
            await asyncio.sleep(0.05)
            assert welcomed(clients) == 0
            listener.accept()[0].close()

    run(main)


def test_without_descriptors_it_rests_and_goes_on(run, listener, monkeypatch, caplog):
    monkeypatch.setattr(accepting, "BREATH", 0.1)

    async def main():
        spent = Failing(listener, errno.EMFILE, errno.EMFILE)
        acceptor = Acceptor(spent, Greeting, backlog=256)
        with contextlib.ExitStack() as stack:
            clients = callers(stack, listener, 3)
            await asyncio.sleep(0.05)
            assert (spent.tries, welcomed(clients)) == (1, 0)
            async with asyncio.timeout(5):
                while welcomed(clients) < len(clients):  # noqa: ASYNC110 - clients are no tasks
                    await asyncio.sleep(0.01)
            acceptor.close()

    run(main)
    assert caplog.text.count("no connection can be taken just now: Too many open files") == 2


def test_one_that_has_left_already_keeps_nobody_waiting(run, listener):
    async def main():
        failing = Failing(listener, errno.ECONNABORTED, errno.EPROTO)
        acceptor = Acceptor(failing, Greeting, backlog=256)
        with contextlib.ExitStack() as stack:
            clients = callers(stack, listener, 3)
            await asyncio.sleep(0.05)
            assert welcomed(clients) == 3
            acceptor.close()

    run(main)


def test_answers_do_not_wait_for_each_others_acknowledgement(run, listener):
    async def main():
        nodelay = asyncio.get_running_loop().create_future()

        class Look(asyncio.Protocol):
            def connection_made(self, transport):
                sock = transport.get_extra_info("socket")
                nodelay.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        acceptor = Acceptor(listener, Look, backlog=8)
        with contextlib.ExitStack() as stack:
            callers(stack, listener, 1)
            assert await nodelay
            acceptor.close()

    run(main)
