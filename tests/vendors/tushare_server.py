"""A Tushare Pro server on loopback: the vendor's wire format, recorded rows, scripted faults.

``python tests/vendors/tushare_server.py --port 0 --data DIR --token T`` prints the data port on
its first line and a control port on its second. ``POST /control`` on either takes JSON such as
``{"fault": "hang", "apis": ["daily"], "times": 2}`` (``{"fault": null}`` ends it); ``GET /control``
tells the calls so far, without their token. While ``refuse`` is on, only the control port answers.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

if not __package__:  # started as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vendors import tushare_now, world
from vendors.tushare_faults import DOC, REFUSALS, Script, envelope, spoil
from vendors.tushare_query import Refusal, select
from vendors.tushare_rows import Table, build

LONG = 120.0
JSON_TYPE = "application/json; charset=utf-8"
CANNED = {
    "html": ("<html><body>系统维护中</body></html>".encode(), "text/html", {}),
    "list_body": (b"[1, 2]", JSON_TYPE, {}),
    "no_code": (b'{"msg": "ok", "data": {"fields": [], "items": []}}', JSON_TYPE, {}),
    "no_data": (b'{"code": 0, "msg": ""}', JSON_TYPE, {}),
    "bad_gzip": (b"no gzip at all", JSON_TYPE, {"Content-Encoding": "gzip"}),
}


class Listener(ThreadingHTTPServer):
    """A listening socket whose connections live in threads of their own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    vendor: TushareServer
    steers: bool

    def server_bind(self) -> None:
        """Bind without looking up a name for the address, which the base would do."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address) -> None:
        """Nothing: a client that goes away is an everyday event here."""


class TushareServer:
    """The server, startable inside a test or as a process."""

    def __init__(
        self,
        tables: dict[str, Table],
        *,
        tokens: tuple[str, ...] = ("loopback-token",),
        per_minute: int | None = None,
        denied: frozenset[str] = frozenset(),
        caps: dict[str, int] | None = None,
        data: Path | None = None,
    ) -> None:
        self.tables = tables
        self.data = data
        self.tokens = tokens
        self.per_minute = per_minute
        self.denied = denied
        self.caps = caps or {}
        self.script = Script()
        self.requests: list[dict] = []
        self.connections: set[socket.socket] = set()
        self.released = threading.Event()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._data: Listener | None = None
        self._control: Listener | None = None
        self.port = self.control_port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dataapi"

    def start(self, port: int = 0) -> TushareServer:
        self.port = port
        self._listen()
        self._control = self._serve(0, steers=True)
        self.control_port = self._control.server_port
        return self

    def stop(self) -> None:
        self._deafen()
        if self._control:
            self._control.shutdown()
            self._control.server_close()

    def control(self, order: dict) -> None:
        """Switch a fault on or off, forget the calls so far, or move the snapshots.

        ``{"clear": true}`` forgets; ``{"now": "2023-02-01T10:00:00"}`` needs recorded data.
        """
        if order.get("now"):
            if self.data is None:
                raise ValueError("now needs recorded data")
            self.tables = tushare_now.at(self.tables, world.load(self.data), order["now"])
            return
        self.script.set(order)
        if order.get("clear"):
            self.requests.clear()
        self.released.set()  # whoever hangs is let go
        self.released = threading.Event()
        if self.script.fault == "refuse":
            self._deafen()
        elif self._data is None:
            self._listen()

    def _serve(self, port: int, *, steers: bool = False) -> Listener:
        listener = Listener(("127.0.0.1", port), Handler)
        listener.vendor, listener.steers = self, steers
        threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        return listener

    def _listen(self) -> None:
        self._data = self._serve(self.port)
        self.port = self._data.server_port

    def _deafen(self) -> None:
        """Close the listening socket and every open connection; nothing is answered any more."""
        listener, self._data = self._data, None
        self.released.set()
        if listener:
            # First the loop: while it waits for the socket, the kernel keeps it listening.
            listener.shutdown()
            listener.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, api_name: str, request: dict, fault: str | None) -> bytes:
        """The body for one call; bad tokens and limits come before anything else."""
        token, params = request.get("token"), dict(request.get("params") or {})
        params.pop("ts_type_name", None)
        with self._lock:
            fields = request.get("fields") or ""
            self.requests.append({"api": api_name, "params": params, "fields": fields})
            self._counts[api_name, int(time.time() // 60)] += 1
            asked = self._counts[api_name, int(time.time() // 60)]
        try:
            self.refuse(api_name, token, asked, fault)
            if fault == "same_page":
                params.pop("offset", None)
            data = select(self.tables, api_name, params, fields, self.caps)
        except Refusal as refusal:
            return envelope(refusal.code, refusal.text, None)
        return envelope(0, "", spoil(fault, self.script, data))

    def refuse(self, api_name: str, token: object, asked: int, fault: str | None) -> None:
        """Raise the refusal that this call deserves, if any."""
        if fault in REFUSALS:
            raise Refusal(*REFUSALS[fault])
        if fault == "echo_token":
            raise Refusal(50000, f"token {token} {token} 异常")
        if token not in self.tokens:
            raise Refusal(*REFUSALS["bad_token"])
        if api_name in self.denied:
            raise Refusal(40203, f"抱歉，您没有接口({api_name})访问权限，{DOC}")
        if self.per_minute is not None and asked > self.per_minute:
            raise Refusal(40203, f"抱歉，您每分钟最多访问该接口{self.per_minute}次，{DOC}")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def setup(self) -> None:
        super().setup()
        self.vendor = self.server.vendor
        if not self.server.steers:
            self.vendor.connections.add(self.connection)

    def finish(self) -> None:
        self.vendor.connections.discard(self.connection)
        super().finish()

    def log_message(self, format, *args) -> None:  # noqa: A002 - the base names it so
        """Nothing."""

    def do_GET(self) -> None:
        self.send(json.dumps({"requests": self.vendor.requests}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/control":
            self.steer(json.loads(body))
            return
        request = json.loads(body)
        api_name = self.path.removeprefix("/dataapi").strip("/") or request.get("api_name", "")
        script = self.vendor.script
        fault = script.take(api_name)
        self.reply(fault, script, self.vendor.answer(api_name, request, fault))

    def steer(self, order: dict) -> None:
        """Obey, then answer; but `refuse` closes the data port's connections, so answer before."""
        own = order.get("fault") == "refuse" and not self.server.steers
        if own:
            self.send(b"{}")
        try:
            self.vendor.control(order)
        except ValueError as error:
            self.send(json.dumps({"error": str(error)}).encode(), 400)
            return
        if not own:
            self.send(b"{}")

    def reply(self, fault, script: Script, body: bytes) -> None:
        if fault == "reset":
            # Closing then sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif fault == "hang":
            self.vendor.released.wait(LONG)
            self.close_connection = True
        elif fault and fault.startswith("http_"):
            extra = {"Location": "http://127.0.0.1:9/"}
            if script.header is not None:
                extra["Retry-After"] = script.header
            self.send(b"<html>sorry</html>", int(fault[5:]), "text/html", extra)
        elif fault in CANNED:
            content, kind, extra = CANNED[fault]
            self.send(content, kind=kind, extra=extra)
        elif fault == "truncated":
            self.send(body[: len(body) // 2])
        elif fault in ("cut_body", "drip", "huge"):
            self.pieces(fault, script, body)
        else:
            if fault == "slow":
                self.vendor.released.wait(script.seconds)
            self.send(body)

    def pieces(self, fault: str, script: Script, body: bytes) -> None:
        """Bodies that do not come in one piece, or never end."""
        self.close_connection = True
        self.wfile.write(self.head(200, JSON_TYPE, 1 << 30, {}))
        if fault == "cut_body":
            self.wfile.write(body[: len(body) // 2])
            return
        piece = b" " * 65536 if fault == "huge" else b" "
        released, until = self.vendor.released, time.monotonic() + LONG
        while not released.is_set() and time.monotonic() < until:
            self.wfile.write(piece)
            if fault == "drip":
                released.wait(script.seconds)

    def send(self, body: bytes, status: int = 200, kind: str = JSON_TYPE, extra=None) -> None:
        """Everything in one write, so that no small packet waits for an acknowledgement."""
        self.wfile.write(self.head(status, kind, len(body), extra or {}) + body)

    def head(self, status: int, kind: str, length: int, extra: dict[str, str]) -> bytes:
        headers = {"Content-Type": kind, "Content-Length": str(length), **extra}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} {self.responses[status][0]}\r\n{lines}\r\n".encode()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path, help="directory of recorded market data")
    parser.add_argument("--token", action="append", help="accepted token, may be repeated")
    parser.add_argument("--per-minute", type=int, help="calls a minute for each interface")
    parser.add_argument("--deny", action="append", default=[], metavar="API")
    parser.add_argument("--cap", action="append", default=[], metavar="API=ROWS")
    given = parser.parse_args()
    server = TushareServer(
        build(given.data),
        tokens=tuple(given.token or ("loopback-token",)),
        per_minute=given.per_minute,
        denied=frozenset(given.deny),
        caps={name: int(rows) for name, _, rows in (cap.partition("=") for cap in given.cap)},
        data=given.data,
    ).start(given.port)
    print(server.port, flush=True)  # noqa: T201
    print(server.control_port, flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main()
