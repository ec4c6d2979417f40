"""The control port: orders by POST, what happened so far by GET."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol


class Steered(Protocol):
    """What takes orders."""

    def control(self, order: dict) -> dict: ...

    def statistics(self) -> dict: ...


class Steering(ThreadingHTTPServer):
    """The control port."""

    daemon_threads = True

    def __init__(self, steered: Steered) -> None:
        super().__init__(("127.0.0.1", 0), Orders)
        self.steered = steered

    def server_bind(self) -> None:
        """Bind without looking up a name for the address, which the base would do."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_name, self.server_port = self.server_address = self.socket.getsockname()


class Orders(BaseHTTPRequestHandler):
    """One order, or one look at the statistics."""

    server: Steering

    def log_message(self, format, *args) -> None:  # noqa: A002 - the base names it so
        """Nothing."""

    def do_GET(self) -> None:
        self._reply(200, self.server.steered.statistics())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._reply(200, self.server.steered.control(json.loads(body)))
        except (TypeError, ValueError, KeyError) as error:
            self._reply(400, {"error": str(error)})

    def _reply(self, status: int, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
