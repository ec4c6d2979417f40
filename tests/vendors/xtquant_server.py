"""miniQMT on loopback, a process of its own, for the native stand-in in ``xtquant_native.py``.

``python tests/vendors/xtquant_server.py --port 0 --data DIR`` prints the data port on its first
line and a control port on its second. ``POST /control`` on the latter takes one JSON object:

- ``{"set": {"now": "2024-01-05T10:00", "downloaded": "none"}}``: any field of ``Settings``;
- ``{"fault": "hang_gil_held", "methods": ["get_full_tick"], "times": 1}``, or ``"faults": [...]``
  for several at once; ``{"fault": null}`` ends them;
- ``{"drop": true}`` cuts every link; ``{"refuse": true}`` also stops listening, until false;
- ``{"push": {"from": ..., "to": ..., "interval": 0}}`` pushes the recorded ticks of that time to
  all who subscribed; ``"push_minutes"`` the recorded minutes; with an interval in the background,
  until ``{"push": null}``; ``{"push_raw": {"period": "1m", "data": {...}}}`` anything at all;
- ``{"clear": true}`` forgets the calls so far.

``GET /control`` tells the calls so far, their counts, the links and the subscriptions.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
from contextlib import suppress
from datetime import datetime, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

if not __package__:  # started as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vendors.world import SHANGHAI, TODAY, World, load
from vendors.xtquant_script import Settings, instant
from vendors.xtquant_terminal import Terminal
from vendors.xtquant_wire import Wire

END = datetime.combine(TODAY, time(15, 30), SHANGHAI)
"""The end of the recording."""
ABOUT = {
    "data_dir": "C:/miniqmt/userdata_mini/datadir",
    "app_dir": "C:/miniqmt/bin.x64",
    "tag": {"tag": "sp3", "version": "1.0"},
}


class MiniQmt:
    """The server, startable inside a test or as a process."""

    def __init__(self, world: World, **settings) -> None:
        self.terminal = Terminal(world, Settings(now=END))
        self.terminal.settings.change(settings)
        self.port = self.control_port = 0
        self._listening: socket.socket | None = None
        self._wires: dict[Wire, threading.Event] = {}
        self._lock = threading.Lock()
        self._control: ThreadingHTTPServer | None = None
        self._pushing = threading.Event()

    @property
    def settings(self) -> Settings:
        return self.terminal.settings

    def start(self, port: int = 0) -> MiniQmt:
        self.port = port
        self._listen()
        self._control = ThreadingHTTPServer(("127.0.0.1", 0), Control)
        self._control.vendor = self
        self.control_port = self._control.server_port
        threading.Thread(target=self._control.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._pushing.set()
        self.deafen()
        self.drop()
        if self._control:
            self._control.shutdown()
            self._control.server_close()

    def control(self, order: dict) -> None:
        """Obey one order; ValueError for what does not exist."""
        if "set" in order:
            self.settings.change(order["set"])
        if "fault" in order or "faults" in order:
            self.terminal.script.set(order.get("faults") or [order])
        if order.get("clear"):
            self.terminal.calls.clear()
            self.terminal.counts.clear()
        if "refuse" in order:
            self.deafen() if order["refuse"] else self._listen()
        if order.get("drop") or order.get("refuse"):
            self.drop()
        for name, play in (
            ("push", self.terminal.feed.play),
            ("push_minutes", self.terminal.feed.play_minutes),
        ):
            if name in order:
                self._play(play, order[name])
        if raw := order.get("push_raw"):
            self.terminal.feed.push_raw(raw["period"], raw["data"])

    def told(self) -> dict:
        """What a control GET answers."""
        terminal = self.terminal
        return {
            "calls": list(terminal.calls),
            "counts": dict(terminal.counts),
            "links": len(self._wires),
            "pushes": terminal.feed.pushes,
            "now": terminal.settings.now.isoformat(),
            "subscriptions": [
                {
                    "seq": one.seq,
                    "codes": sorted(one.wanted),
                    "period": one.period,
                    "whole": one.whole,
                }
                for one in terminal.feed.all()
            ],
        }

    def _play(self, play, how: dict | None) -> None:
        self._pushing.set()
        if how is None:
            return
        self._pushing = stop = threading.Event()
        interval = how.get("interval", 0)
        args = (instant(how["from"]), instant(how["to"]), interval, stop)
        if interval:
            threading.Thread(target=play, args=args, daemon=True).start()
        else:
            play(*args)

    def _listen(self) -> None:
        if self._listening is not None:
            return
        listening = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = listening.getsockname()[1]
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def deafen(self) -> None:
        """Nothing; new clients are refused."""
        listening, self._listening = self._listening, None
        if listening:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # else a waiting accept keeps it open
            listening.close()

    def drop(self) -> None:
        """Nothing; every link is cut, without a word."""
        with self._lock:
            wires = list(self._wires)
        for wire in wires:
            wire.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Wire(connection),), daemon=True).start()

    def _serve(self, wire: Wire) -> None:
        self._fresh(wire)
        try:
            for frame in wire.frames():
                self._answer(wire, frame)
        except OSError:
            pass  # the client went away while it was answered
        finally:
            self.terminal.feed.forget(wire)
            self._fresh(wire)
            with self._lock:
                del self._wires[wire]
            wire.close()

    def _fresh(self, wire: Wire) -> None:
        """Nothing; the downloads of this client so far end."""
        with self._lock:
            before, self._wires[wire] = self._wires.get(wire), threading.Event()
        if before:
            before.set()

    def _answer(self, wire: Wire, frame: dict) -> None:
        method, args = frame["method"], frame["args"]
        if method == "supply_history_data":  # takes its time, while other calls go on
            threading.Thread(target=self._reply, args=(wire, frame), daemon=True).start()
            return
        if method == "stop_supply_history_data2":
            self._fresh(wire)
            wire.send({"id": frame["id"], "result": True})
            return
        answer = self._reply(wire, frame)
        result = answer.get("result")
        if method.startswith("subscribe_") and isinstance(result, int) and result > 0:
            self.terminal.first_push(method, result, args)
        if method == "supply_history_data2" and "error" not in answer:
            work = (wire, frame["key"], args, self._wires[wire])
            threading.Thread(target=self._download, args=work, daemon=True).start()

    def _reply(self, wire: Wire, frame: dict) -> dict:
        if frame["method"] == "connect":
            fault = self.terminal.script.take("connect")
            answer = {"result": ABOUT | {"ordered": self.settings.ordered}}
            if fault and fault.name in ("hang_gil_held", "hang_gil_released", "slow"):
                answer["do"] = [fault.name, fault.pause]
            elif fault:
                answer = {"error": fault.text}
        else:
            key = frame.get("key", 0)
            answer = self.terminal.answer(wire, frame["method"], frame["args"], key)
        if answer.get("do", [""])[0] == "drop":
            wire.close()
            return {}
        with suppress(OSError):
            wire.send({"id": frame["id"], **answer})
        return answer

    def _download(self, wire: Wire, key: int, args: list, stop: threading.Event) -> None:
        with suppress(OSError):
            self.terminal.download(wire, key, args, stop)


class Control(BaseHTTPRequestHandler):
    """One request of a test."""

    def log_message(self, format, *args) -> None:  # noqa: A002 - the base names it so
        """Nothing."""

    def do_GET(self) -> None:
        self.send(self.server.vendor.told())

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        try:
            self.server.vendor.control(order)
        except (ValueError, KeyError, TypeError) as error:
            self.send({"error": str(error)}, 400)
            return
        self.send({})

    def send(self, answer: dict, status: int = 200) -> None:
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path, required=True, help="recorded market data")
    parser.add_argument("--now", help="the instant whose snapshots are served, ISO 8601")
    parser.add_argument("--downloaded", default="all", choices=("all", "none"))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON")
    given = parser.parse_args()
    settings = {name: json.loads(text) for name, _, text in (s.partition("=") for s in given.set)}
    if given.now:
        settings["now"] = given.now
    server = MiniQmt(load(given.data), downloaded=given.downloaded, **settings).start(given.port)
    print(server.port, flush=True)  # noqa: T201
    print(server.control_port, flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main()
