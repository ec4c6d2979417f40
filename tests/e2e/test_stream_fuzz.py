"""A fuzzer on the WebSocket: whatever is sent, nothing crashes, leaks or goes unexplained.

HYPOTHESIS_EXAMPLES=5000 looks harder.
"""

import subprocess
import sys
import time

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from support.process import PLAINLY, environment
from support.streams.garbage import SCRIPTS, Handshake, Script, nested
from support.streams.house import house
from support.streams.visit import visit

from argus_api.stream.codes import CLOSES, ERRORS, HANDSHAKES

TYPES = {
    "hello",
    "authenticated",
    "subscribed",
    "unsubscribed",
    "subscriptions",
    "snapshot",
    "update",
    "status",
    "gap",
    "heartbeat",
    "shutdown",
    "stats",
    "pong",
    "error",
}
PLAIN_TYPES = {"market_data", "stats", "pong", "subscriptions", "error", "authenticated"}
JSON, PACKED, PLAIN = Handshake(("argus.v2",)), Handshake(("argus.v2.msgpack",)), Handshake()
AUTH = """
[auth]
plugins = ["api_key"]
"""


class Fuzzed:
    """A server that is fuzzed, and what it is known to hold while nobody visits."""

    def __init__(self, server, key):
        self.server, self.key = server, key
        self.process = server.process
        visit(server.port, JSON, b"", key)
        self.settled()
        self.descriptors = self.process.num_fds() if sys.platform != "win32" else 0

    def get(self, path):
        headers = {"X-API-Key": self.key} if self.key else {}
        url = f"http://127.0.0.1:{self.server.port}{path}"
        return httpx.get(url, headers=headers, timeout=20, **PLAINLY)

    def stats(self):
        """The server's own figures, by a client that counts itself."""
        handshake = Handshake(("argus.v2",), key="good" if self.key else None)
        sent = Script(handshake, ({"action": "get_stats"},)).sent()
        told = visit(self.server.port, handshake, sent, self.key).told
        return next(one["data"] for one in told if one["type"] == "stats")

    def settled(self):
        """The figures once all others have left."""
        ends = time.monotonic() + 15
        while (stats := self.stats())["total_connections"] > 1 and time.monotonic() < ends:
            time.sleep(0.05)
        return stats


@pytest.fixture(scope="module", params=["open", "keyed"])
def fuzzed(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz")
    with house(root) as built:
        tables = built.sources("first", isolation="none")
        keyed = request.param == "keyed"
        server = built.server("fuzzed", tables + (AUTH if keyed else ""), started=False)
        key = _key(root, server) if keyed else ""
        server.start()
        yield Fuzzed(server, key)


def _key(root, server):
    command = [sys.executable, "-m", "argus_cli", "keys", "create", "fuzz"]
    done = subprocess.run(
        [*command, "--config", server.config],
        cwd=root,
        env=environment(PYTHONPATH=server.path),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


# The fixture is the server, which is meant to outlive examples.
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=SCRIPTS)
@example(script=Script(JSON, ({"action": nested(900)},)))
@example(script=Script(JSON, ({"action": "subscribe", "symbols": nested(900)},)))
@example(script=Script(JSON, ({"action": "ping", "id": nested(900)},)))
@example(script=Script(PLAIN, ({"action": "subscribe", "channel": nested(900)},)))
@example(script=Script(PACKED, ({"action": nested(400)},)))
@example(script=Script(PACKED, ({"action": "subscribe", "interval_ms": float("nan")},)))
@example(script=Script(PACKED, ({1: 2, None: 3, b"x": b"y"},)))
@example(script=Script(JSON, ({"action": "subscribe", "symbols": ["600000.SH"] * 1001},)))
@example(script=Script(JSON, ({"action": "x" * 60_000},)))
@example(script=Script(JSON, ({"action": "x" * 70_000},)))
def test_whatever_is_sent_is_answered_as_documented(fuzzed, script):
    whole = not any(isinstance(step, bytes) for step in script.steps)
    sent = script.sent()
    seen = visit(fuzzed.server.port, script.handshake, sent, fuzzed.key, whole=whole)
    assert seen.ended, f"neither an answer nor an end: {seen}"
    assert seen.status == 101 or seen.status in HANDSHAKES, seen
    v2 = any(name in ("argus.v2", "argus.v2.msgpack") for name in script.handshake.protocols)
    for told in seen.told:
        assert told["type"] in (TYPES if v2 else PLAIN_TYPES), told
        if told["type"] == "error":
            assert told["code"] in ERRORS, told
            assert told["message"]
    assert seen.code is None or seen.code in {*CLOSES, 1000, 1005} or _echoed(seen.code), seen


def _echoed(code):
    """A client's own code comes back to it."""
    return 3000 <= code < 5000 or code in range(1000, 1016)


def test_after_all_that_nothing_is_left(fuzzed):
    stats = fuzzed.settled()
    assert stats["total_connections"] == 1
    assert stats["total_subscriptions"] == 0
    assert fuzzed.get("/health").status_code == 200
    if fuzzed.descriptors:
        assert fuzzed.process.num_fds() <= fuzzed.descriptors + 2
    assert fuzzed.server.complaints() == []
