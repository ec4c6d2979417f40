"""Connections on which a request is begun, or not even that, and never ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

WHOLE = 30.0
"""Seconds within which a whole request must come on a new connection, or once one has begun."""
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_NO_HTTP = object()


class Unasked:
    """Closes connections that keep a server waiting; uvicorn itself would wait for ever."""

    def __init__(self) -> None:
        self._waited: dict[Any, tuple[object, float]] = {}
        """After which request's end each is waited for, and since when."""

    def look(self, connections: Iterable[Any], now: float) -> None:
        """Called about once a second with uvicorn's connections: end those that are late.

        One that has begun a request is told 408; one that has said nothing has asked nothing.
        """
        before, self._waited = self._waited, {}
        for connection in connections:
            if not waiting(connection) or connection.transport.is_closing():
                continue
            cycle = connection.cycle
            known, since = before.get(connection, (cycle, now))
            since = since if known is cycle else now
            self._waited[connection] = cycle, since
            if now - since > WHOLE:
                if begun(connection):
                    connection.transport.write(TOO_LATE)
                connection.transport.close()


def waiting(connection: Any) -> bool:
    """True if the server waits for a request or for the rest of one, and has set no time for it."""
    cycle: Any = getattr(connection, "cycle", _NO_HTTP)
    if cycle is _NO_HTTP:  # a WebSocket, which is looked after elsewhere
        return False
    if cycle is None or cycle.response_complete:
        return connection.timeout_keep_alive_task is None
    return bool(cycle.more_body) and not connection.flow.read_paused


def begun(connection: Any) -> bool:
    """True if a part of the request has come."""
    cycle, parser = connection.cycle, getattr(connection, "conn", None)
    if parser is None or (cycle is not None and not cycle.response_complete):
        return True
    return bool(parser.trailing_data[0])
