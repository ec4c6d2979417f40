"""RQData's live socket on loopback: logins by token, channels, and ticks and bars on order."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import orjson
from vendors.rqdata_ids import int8, int14
from vendors.rqdata_quotes import bar_feed, tick_feed
from vendors.rqdata_rows import Vendor
from vendors.world import SHANGHAI
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

WRONG_TOKEN, QUOTA_EXCEEDED = 4001, 4003


class LiveServer:
    """The socket's server; :meth:`control` says what its sessions get."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._tokens: set[str] = set()
        self._sessions: dict[ServerConnection, set[str]] = {}
        self._lock = threading.Lock()
        self._silent = False
        self._counts = {"logins": 0, "refused": 0, "sent": 0}
        self._server: Server | None = None
        self.port = 0

    def start(self, port: int = 0) -> LiveServer:
        self._server = serve(self._session, "127.0.0.1", port, compression=None)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
        self.control({"drop": True})

    def token(self) -> str:
        """A token with which a session may log in."""
        with self._lock:
            self._tokens.add(f"loopback-{len(self._tokens) + 1}")
            return f"loopback-{len(self._tokens)}"

    def statistics(self) -> dict:
        with self._lock:
            channels = sorted({channel for held in self._sessions.values() for channel in held})
            return {**self._counts, "sessions": len(self._sessions), "channels": channels}

    def control(self, order: dict) -> dict:
        """Obey ``push``, ``until``, ``send``, ``close``, ``drop`` or ``silence``."""
        unknown = order.keys() - {"push", "until", "send", "close", "reason", "drop", "silence"}
        if unknown:
            raise ValueError(f"no live order is called {', '.join(sorted(unknown))}")
        if "silence" in order:
            self._silent = bool(order["silence"])
        sent = 0
        if "push" in order or "until" in order:
            sent = self._push(order.get("push"), order.get("until"))
        if "send" in order:
            sent = sum(self._send(each, order["send"]) for each in self._open())
        if "close" in order:
            for each in self._open():
                each.close(order["close"], order.get("reason", ""))
        if order.get("drop"):
            for each in self._open():
                with suppress(OSError):
                    each.socket.shutdown(socket.SHUT_RDWR)
        return {"sent": sent}

    def _session(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            given = orjson.loads(connection.recv())
            if given.get("action") != "auth_by_token" or given.get("token") not in self._tokens:
                self._counts["refused"] += 1
                connection.close(WRONG_TOKEN, "authentication failed")
                return
            with self._lock:
                self._sessions[connection] = set()
                self._counts["logins"] += 1
            self._send(connection, {"action": "auth_by_token_reply", "status": "ok"})
            for text in connection:
                self._obey(connection, orjson.loads(text))
        with self._lock:
            self._sessions.pop(connection, None)

    def _obey(self, connection: ServerConnection, given: dict) -> None:
        asked = set(given.get("channels", ()))
        with self._lock:
            held = self._sessions[connection]
            if given.get("action") == "subscribe":
                asked = {channel for channel in asked if self._listed(channel)}
                held |= asked
            else:
                asked &= held
                held -= asked
        done = f"{given.get('action')}d"
        reply = {"action": f"{given.get('action')}_reply", done: sorted(asked)}
        self._send(connection, reply)

    def _listed(self, channel: str) -> bool:
        kind, _, name = channel.partition("_")
        return kind in ("tick", "bar") and name in self._vendor.instruments.listed

    def _push(self, count: int | None, until: str | None) -> int:
        """Send what the world has after ``now``, and move ``now`` to the last of it."""
        end = datetime.fromisoformat(until).replace(tzinfo=SHANGHAI) if until else None
        due = sorted(self._due(), key=lambda found: found[0])
        if end:
            due = [found for found in due if found[0] <= end]
        if count is not None and len(due) > count:
            due = [found for found in due if found[0] <= due[count - 1][0]] if count else []
        self._vendor.now = end or (due[-1][0] if due else self._vendor.now)
        sent = 0
        for _, message in due:
            for connection in self._open(message["channel"]):
                sent += self._send(connection, message)
        return sent

    def _due(self) -> Iterator[tuple[datetime, dict]]:
        """The rest of the day of ``now``, for every channel that somebody holds."""
        vendor, now = self._vendor, self._vendor.now
        today = int8(now.astimezone(SHANGHAI).date())
        for channel in self.statistics()["channels"]:
            kind, _, name = channel.partition("_")
            one = vendor.instruments.listed[name]
            if kind == "tick":
                for tick in vendor.world.ticks.get(one.symbol, ()):
                    if tick.time > now and int8(tick.time.date()) == today:
                        message = vendor.scaled(tick_feed(one, name, tick), today)
                        yield tick.time, message
                continue
            for row in vendor.minutes(name, one):
                if row["trading_date"] == today and row["datetime"] > int14(now):
                    end = datetime.strptime(str(row["datetime"]), "%Y%m%d%H%M%S")  # noqa: DTZ007
                    message = bar_feed(name, vendor.scaled(row, today))
                    yield end.replace(tzinfo=SHANGHAI), message

    def _open(self, channel: str | None = None) -> list[ServerConnection]:
        with self._lock:
            return [
                connection
                for connection, held in self._sessions.items()
                if channel is None or channel in held
            ]

    def _send(self, connection: ServerConnection, message: object) -> int:
        """Send as the vendor does, JSON in a binary frame; a text goes out as it is."""
        if self._silent:
            return 0
        with suppress(ConnectionClosed):
            connection.send(message.encode() if isinstance(message, str) else orjson.dumps(message))
            self._counts["sent"] += 1
            return 1
        return 0
