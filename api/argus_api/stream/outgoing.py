"""The messages of one turn: first all of them are made, then all of them are sent.

Making and sending have little in common, for the processor's caches as for whoever reads on the
same machine: he wakes up once for what comes in one go, and not for each message anew.
"""

from __future__ import annotations

import logging

from argus_api.stream.connection import Connection
from argus_core.streaming.lanes import Lane

log = logging.getLogger("argus.stream")


class Outgoing:
    """Messages that are made, and leave when the turn is over."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Connection, bytes]] = []

    def take(self, lane: Lane) -> None:
        """Make the messages of what waits in a connection's lane."""
        connection = lane.listener
        assert isinstance(connection, Connection)  # noqa: S101 - only connections ask for turns
        for message in connection.taken(lane):
            self._waiting.append((connection, message))

    def send(self) -> None:
        """Send them; one that cannot be told keeps nobody else from it."""
        waiting, self._waiting = self._waiting, []
        for connection, message in waiting:
            try:
                connection.write(message)
            except Exception:
                log.exception("a listener could not be sent what waits")
