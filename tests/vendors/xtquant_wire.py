"""Frames between the stand-in for miniQMT and the stand-in for its native client.

Four bytes of length, then JSON as Python writes it: whole and broken numbers, NaN and numbers of
the smallest size come out as they went in. Each frame is a dict; what it means is up to both ends.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator

LENGTH = struct.Struct(">I")


class Wire:
    """One connected socket; frames of several threads never mix."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._writing = threading.Lock()

    def send(self, frame: dict) -> None:
        """Nothing; OSError when the other end is gone."""
        body = json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()
        with self._writing:
            self.connection.sendall(LENGTH.pack(len(body)) + body)

    def frames(self) -> Iterator[dict]:
        """Every frame of the other end, until it closes or the link breaks."""
        try:
            with self.connection.makefile("rb") as file:
                while head := file.read(LENGTH.size):
                    body = file.read(LENGTH.unpack(head)[0])
                    yield json.loads(body)
        except (OSError, ValueError, struct.error):
            return  # half a frame: the other end was killed while it wrote

    def close(self) -> None:
        """Nothing; whoever reads at either end sees the end."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # closed already
        finally:
            self.connection.close()
