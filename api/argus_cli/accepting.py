"""How a listening socket's connections are taken, whichever loop runs.

uvloop takes one connection a turn of the loop: after a pause those who have to come anew would wait
for seconds behind the work of those who did not. asyncio's own loop takes as many as its backlog.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

log = logging.getLogger("argus.server")

EACH = 0.004
"""Seconds of a turn for each of which one more is taken after it, and one at least.

To greet one takes most of a millisecond, in which those who are here are sent nothing: a crowd
comes in one by one, but who waits behind long turns shall not wait for many of them."""
MOST = 16
"""So many are taken in one turn at most."""
PATIENCE = 3
"""Turns for which they wait while those who are here are being sent something."""
BREATH = 1.0
"""Seconds without a try after one that failed, for want of descriptors for one."""
_GONE = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.ECONNRESET})
"""What is wrong with one connection only: whoever made it has left."""


class Acceptor:
    """Takes the connections of one listening socket, each with a protocol that ``make`` makes.

    ``busy`` says whether something has come, or is to be sent at once, for those who are here.
    Needs a loop with ``add_reader``, which on Windows is none that can serve. The socket is its
    owner's, who closes it after :meth:`close`.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        *,
        backlog: int,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._listener = listener
        self._make = make
        self._busy = busy
        self._waited = 0
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._greeted = set[asyncio.Task[None]]()
        self._since: float | None = None
        """Since when those wait who may be left over; None two turns after somebody was taken."""
        self._looks = 0
        self._closed = False
        self._tcp = listener.family in (socket.AF_INET, socket.AF_INET6)
        listener.setblocking(False)
        listener.listen(backlog)
        self._number = listener.fileno()
        self._loop.add_reader(self._number, self._accept)

    def close(self) -> None:
        """Take no more; the socket stays open."""
        if self._closed:
            return
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        else:
            self._loop.remove_reader(self._number)

    def _many(self) -> int:
        """How many to take now: the more, the longer those who were left over have waited."""
        now = self._loop.time()
        took, self._since = now - (self._since or now), None
        return max(1, min(MOST, int(took / EACH)))

    def _accept(self) -> None:
        if self._waited < PATIENCE and self._busy():
            self._waited += 1
            self._remember(self._since or self._loop.time())
            return
        self._waited = 0
        for _ in range(self._many()):
            try:
                peer, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return  # none is left, or another process was quicker
            except OSError as error:
                if error.errno in _GONE:
                    continue
                self._pause(error)
                return
            task = self._loop.create_task(self._greet(peer))
            self._greeted.add(task)
            task.add_done_callback(self._greeted.discard)
        self._remember(self._loop.time())

    def _remember(self, since: float) -> None:
        """Since when those wait who are left over; if nobody is, forget it two turns later."""
        self._since = since
        self._looks += 1
        self._loop.call_soon(self._loop.call_soon, self._forget, self._looks)

    def _forget(self, look: int) -> None:
        if look == self._looks:
            self._since = None

    async def _greet(self, peer: socket.socket) -> None:
        try:
            peer.setblocking(False)
            # asyncio does so only if it knows the protocol; with Nagle an answer waits for 40 ms.
            if self._tcp:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make, peer)
        except OSError as error:  # it left before anything was said
            log.debug("a connection was gone before it was served: %s", error)
            peer.close()

    def _pause(self, error: OSError) -> None:
        """Let them wait: to try again at once would keep the loop from everybody else."""
        log.error("no connection can be taken just now: %s", error.strerror)
        self._loop.remove_reader(self._number)
        self._later = self._loop.call_later(BREATH, self._resume)

    def _resume(self) -> None:
        self._later = None
        self._loop.add_reader(self._number, self._accept)
