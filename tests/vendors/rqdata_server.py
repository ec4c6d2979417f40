"""An RQData server on loopback: the vendor's frames, the world's rows, scripted faults.

``python tests/vendors/rqdata_server.py --port 0 --data DIR`` prints the data port, the control
port and the live socket's port, one a line. ``POST /control`` takes JSON orders, see
:meth:`RQDataServer.control`; ``GET /control`` tells what happened so far.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

if not __package__:  # started as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vendors.rqdata_account import Account
from vendors.rqdata_control import Steering
from vendors.rqdata_faults import Fault, Script, spoil
from vendors.rqdata_live import LiveServer
from vendors.rqdata_replay import replayed
from vendors.rqdata_rows import Vendor
from vendors.rqdata_wire import UNKNOWN_TYPE, Kind, Refusal, answer_frames, frame, raw_frame, read
from vendors.world import SHANGHAI, World, load

LIVE_TOKEN, GET_QUOTA = "user.get_live_md_auth_token", "user.get_quota"
ORDERS = frozenset(
    (
        "fault",
        "now",
        "scale_volume",
        "replay",
        "quota",
        "sessions",
        "refuse",
        "drop",
        "clear",
        "live",
    )
)


class RQDataServer:
    """The server, startable inside a test or as a process."""

    def __init__(
        self,
        world: World,
        *,
        data: Path | None = None,
        user: str | None = None,
        password: str | None = None,
        now: datetime | None = None,
    ) -> None:
        self.vendor = Vendor(world, data, now)
        self.live = LiveServer(self.vendor)
        self.account = Account(user, password)
        self._script = Script()
        self._connections: set[socket.socket] = set()
        self._released = threading.Event()
        self._listener: socket.socket | None = None
        self._steering: Steering | None = None
        self.port = self.control_port = 0

    @property
    def live_url(self) -> str:
        return f"ws://127.0.0.1:{self.live.port}/live_md"

    def start(self, port: int = 0) -> RQDataServer:
        self.port = port
        self._listen()
        self.live.start()
        self._steering = Steering(self)
        self.control_port = self._steering.server_port
        threading.Thread(target=self._steering.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._deafen()
        self.live.stop()
        if self._steering:
            self._steering.shutdown()
            self._steering.server_close()

    def control(self, order: dict) -> dict:
        """Obey every key of the order; ``ValueError`` for one that is not known.

        ``fault`` a :class:`Fault` or ``None`` to end all; ``now`` and ``scale_volume``, ``None``
        to take back; ``replay`` rows by frequency that stand in for the world's; ``quota`` parts
        of what get_quota tells; ``sessions`` how many may log in; ``refuse`` to stop listening;
        ``drop`` every connection; ``clear`` faults and counts; ``live`` an order to the socket.
        """
        unknown = order.keys() - ORDERS
        if unknown:
            raise ValueError(f"no order is called {', '.join(sorted(unknown))}")
        if order.get("clear"):
            self._script.clear()
            self.account.forget()
        if "fault" in order:
            self._set_fault(order["fault"])
        self._set_rows(order)
        self.account.quota |= order.get("quota", {})
        if "sessions" in order:
            self.account.limit = order["sessions"]
        if "refuse" in order:
            self._deafen() if order["refuse"] else self._listen()
        if order.get("drop"):
            self._drop()
        return self.live.control(order["live"]) if "live" in order else {}

    def statistics(self) -> dict:
        """Logins, connections, calls by method and in order, bytes, the live socket's counts."""
        open_now = {"open_connections": len(self._connections), "live": self.live.statistics()}
        return self.account.statistics() | open_now | {"now": self.vendor.now.isoformat()}

    def _set_fault(self, given: dict | None) -> None:
        if given is None:
            self._script.clear()
        else:
            self._script.add(Fault(**given))
        self._released.set()  # whoever is stalled goes on
        self._released = threading.Event()

    def _set_rows(self, order: dict) -> None:
        vendor = self.vendor
        if "now" in order:
            given = order["now"]
            at = datetime.fromisoformat(given) if given else vendor.end
            vendor.now = at if at.tzinfo else at.replace(tzinfo=SHANGHAI)
        if "scale_volume" in order:
            given = order["scale_volume"]
            start = given and int(given["from"].replace("-", ""))
            vendor.scale = (start, given["factor"]) if given else None
        if "replay" in order:
            vendor.replayed = replayed(order["replay"] or {})

    def _listen(self) -> None:
        if self._listener:
            return
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _deafen(self) -> None:
        """Close the listening socket and every connection."""
        listener, self._listener = self._listener, None
        if listener:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._released.set()
        self._drop()

    def _drop(self) -> None:
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        """One connection: the handshake, then calls one after the other."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.add(connection)
        self.account.connected()
        logged_in = False
        try:
            with connection, connection.makefile("rb") as stream, suppress(OSError):
                logged_in = self._greet(connection, stream)
                while logged_in and (asked := read(stream)):
                    if not self._answer(connection, asked[1]):
                        break
        finally:
            self._connections.discard(connection)
            if logged_in:
                self.account.log_out()

    def _greet(self, connection: socket.socket, stream: BinaryIO) -> bool:
        asked = read(stream)
        if asked is None or asked[0] != Kind.HANDSHAKE:
            return False
        fault = self._script.take("handshake")
        try:
            if fault:
                fault.refuse()
            self.account.log_in(asked[1])
        except Refusal as refusal:
            connection.sendall(frame(Kind.ERROR, [refusal.errno, refusal.text]))
            return False
        welcomed = False
        with suppress(OSError):  # it may have gone while it was kept waiting
            welcomed = self._send(connection, fault, [frame(Kind.HANDSHAKE, None)])
        if not welcomed:
            self.account.log_out()
        return welcomed

    def _answer(self, connection: socket.socket, asked: list) -> bool:
        """Answer a call; false where the connection ends with it."""
        method, args, kwargs = asked
        fault = self._script.take(method)
        try:
            self.account.called(method, args, kwargs)
            if fault:
                fault.refuse()
            value = self._value(method, args, kwargs)
            frames = answer_frames(method, spoil(fault.kind, value) if fault else value)
        except Refusal as refusal:
            frames = [frame(Kind.ERROR, [refusal.errno, refusal.text])]
        return self._send(connection, fault, frames)

    def _value(self, method: str, args: list, kwargs: dict) -> object:
        if method == GET_QUOTA:
            return dict(self.account.quota)
        if method == LIVE_TOKEN:
            return self.live.token()
        return self.vendor.answer(method, args, kwargs)

    def _send(self, connection: socket.socket, fault: Fault | None, frames: list[bytes]) -> bool:
        kind = fault.kind if fault else ""
        if kind == "drop":
            return False
        if kind == "stall":
            self._released.wait(fault.seconds)
        elif kind == "garbage":
            frames = [raw_frame(UNKNOWN_TYPE, b"\x00" * 16)]
        elif kind == "not_msgpack":
            frames = [raw_frame(Kind.RESPONSE, b"\xc1" * 16)]
        elif kind == "stream_error":
            failed = frame(Kind.ERROR, [fault.errno, fault.text])
            frames = [frame(Kind.STREAM_START, None), frame(Kind.FEED, []), failed]
        body = b"".join(frames)
        if kind == "half":
            body = body[: len(body) // 2]
        connection.sendall(body)
        self.account.sent(len(body))
        return kind != "half"


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--data", type=Path, required=True, help="directory of recorded market data"
    )
    parser.add_argument("--now", type=datetime.fromisoformat, help="an instant, Shanghai if naive")
    parser.add_argument("--user")
    parser.add_argument("--password")
    given = parser.parse_args()
    now = given.now and (given.now if given.now.tzinfo else given.now.replace(tzinfo=SHANGHAI))
    server = RQDataServer(
        load(given.data), data=given.data, user=given.user, password=given.password, now=now
    ).start(given.port)
    for port in (server.port, server.control_port, server.live.port):
        print(port, flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main()
