"""The connections of one account: counted, bounded in time, and really closed."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from argus_core import SourceTimeout, SourceUnavailable

Connect = Callable[..., Any]
"""Opens a socket: ``connect(address, timeout=seconds)``."""


class Sockets:
    """Opens sockets in the place of the vendor's factory, and knows which are open.

    The vendor's pool neither closes nor takes back a connection over which the server refused
    something, and asks again after a time-out, which a server may bill twice. Here such
    connections are closed, and no new one is opened once a call has used up its time.
    """

    def __init__(self, connect: Connect, monotonic: Callable[[], float]) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._open: list[Any] = []
        self._give_up = float("inf")
        self._refusing = False

    def __call__(self, address: Any, timeout: float | None = None) -> Any:
        """A new connection; raises an error that the vendor's client does not retry."""
        if self._refusing:
            raise SourceUnavailable("the source is closed")
        if self._monotonic() > self._give_up:
            raise SourceTimeout("rqdatac did not answer in time, not even when asked again")
        made = self._connect(address, timeout=timeout)
        self._open.append(made)
        if self._refusing:  # closed meanwhile
            self.close_all()
        return made

    @property
    def count(self) -> int:
        """Connections that are open."""
        return sum(made.fileno() >= 0 for made in tuple(self._open))

    def allow_until(self, give_up: float) -> None:
        """Open no connection after that instant of the monotonic clock."""
        self._give_up = give_up

    def keep_newest(self) -> None:
        """Close those that the vendor's pool has lost sight of: all but the last one opened."""
        self._open = [made for made in self._open if made.fileno() >= 0]
        for lost in self._open[:-1]:
            _close(lost)
        del self._open[:-1]

    def close_all(self) -> None:
        """Close every connection, also one over which somebody is waiting."""
        taken, self._open = self._open, []
        for made in taken:
            _close(made)

    def refuse(self) -> None:
        """Close every connection and open no more."""
        self._refusing = True
        self.close_all()


def _close(made: Any) -> None:
    with contextlib.suppress(OSError):  # the peer was faster
        made.shutdown(socket.SHUT_RDWR)  # wakes whoever reads from it, which close does not
    made.close()
