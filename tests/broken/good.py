"""Plugins of each kind that keep every demand; their broken twins change one thing each."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from argus_core import (
    SHANGHAI,
    Alerter,
    Authenticator,
    BadCredentials,
    Balancer,
    Cache,
    CacheError,
    CacheStats,
    Clock,
    Presented,
    Principal,
    Settings,
)

TOKEN = "t0ken-of-a-test-account"


class Friday(Clock):
    """It is always the evening of the same Friday; the monotonic clock runs."""

    def now(self) -> datetime:
        return datetime(2024, 3, 15, 16, 0, tzinfo=SHANGHAI)


class Trouble:
    """What a vendor can be made to do; plugins look at it at every call."""

    def __init__(self) -> None:
        self.now: str | None = None

    @contextmanager
    def be(self, name: str):
        self.now = name
        try:
            yield
        finally:
            self.now = None

    def faults(self, *names: str):
        return {name: (lambda name=name: self.be(name)) for name in names}


class GoodCache(Cache):
    """A dictionary with a bound."""

    BOUND = 4 << 20

    class Settings(Settings):
        """Nothing but a password."""

        password: SecretStr | None = None

    def __init__(self, name, settings, clock) -> None:
        super().__init__(name, settings, clock)
        self.entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    @property
    def trouble(self) -> Trouble:
        return CACHE_TROUBLE

    def check(self) -> None:
        if self.trouble.now:
            raise CacheError("the store is gone")

    async def get_many(self, keys):
        self.check()
        now = time.monotonic()
        return {k: v for k in keys for v, ends in [self.entries.get(k, (b"", 0.0))] if now < ends}

    async def set_many(self, values, ttl):
        self.check()
        for key, value in values.items():
            self.entries[key] = (bytes(value), time.monotonic() + ttl)
            self.entries.move_to_end(key)
        while self.size() > self.BOUND:
            self.entries.popitem(last=False)

    def size(self) -> int:
        return sum(len(value) for value, _ in self.entries.values())

    async def delete_prefix(self, prefix):
        gone = [self.entries.pop(key) for key in list(self.entries) if key.startswith(prefix)]
        return len(gone), sum(len(value) for value, _ in gone)

    async def delete_many(self, keys):
        gone = [self.entries.pop(key) for key in set(keys) & self.entries.keys()]
        return len(gone), sum(len(value) for value, _ in gone)

    async def purge(self):
        now = time.monotonic()
        return await self.delete_many([k for k, (_, ends) in self.entries.items() if now >= ends])

    async def stats(self):
        return CacheStats(entries=len(self.entries), bytes=self.size())


CACHE_TROUBLE = Trouble()


class SharedCache(GoodCache):
    """The same, over a store that all instances share, as a server's or a file is."""

    persistent = True
    store: OrderedDict[str, tuple[bytes, float]]

    def __init__(self, name, settings, clock) -> None:
        super().__init__(name, settings, clock)
        self.entries = STORE


STORE: OrderedDict[str, tuple[bytes, float]] = OrderedDict()


class GoodBalancer(Balancer):
    """Whoever was picked least of late, by chance among equals."""

    def __init__(self, random) -> None:
        super().__init__(random)
        self.picks: dict[str, int] = {}

    def pick(self, candidates):
        fewest = min(self.picks.get(c.name, 0) for c in candidates)
        chosen = self.random.choice([c for c in candidates if self.picks.get(c.name, 0) == fewest])
        self.picks[chosen.name] = fewest + 1
        return chosen


class GoodAuthenticator(Authenticator):
    """Knows keys that begin with ``good-`` by their hashes in a file."""

    MESSAGE = "a valid key is required"

    class Settings(Settings):
        """No settings."""

    def __init__(self, name, settings, clock, data_dir: Path) -> None:
        super().__init__(name, settings, clock, data_dir)
        data_dir.mkdir(exist_ok=True)
        (data_dir / "keys.txt").write_text(self.stored(GOOD))

    def stored(self, key: str) -> str:
        return str(sum(key.encode()))

    async def authenticate(self, presented):
        shown = presented.api_key or presented.bearer
        if shown is None or not shown.get_secret_value().startswith("good-"):
            return None
        return self.judged(shown.get_secret_value())

    def judged(self, key: str):
        if key != GOOD:
            raise BadCredentials(self.MESSAGE)
        return Principal(id="alice", scopes=frozenset({"data"}))


GOOD = "good-0123456789abcdef"


def credentials(_authenticator):
    """What is presented to :class:`GoodAuthenticator`."""
    shown = {"good": GOOD, "wrong": "good-but-wrong-key", "expired": "good-once-upon-a-time"}
    told = {name: Presented(api_key=SecretStr(key)) for name, key in shown.items()}
    return told | {"foreign": Presented(bearer=SecretStr("eyJhbGciOiJIUzI1NiJ9.e30.signature"))}


class GoodAlerter(Alerter):
    """Hands alerts to a list."""

    class Settings(Settings):
        """No settings."""

    async def send(self, alert):
        await asyncio.sleep(0)
        if ALERT_TROUBLE.now == "disconnect":
            raise ConnectionError("the messenger is gone")
        if ALERT_TROUBLE.now == "slow":
            await asyncio.sleep(0.6)
        SENT.append(f"{alert.subject} {alert.event}: {alert.message}")


ALERT_TROUBLE = Trouble()
SENT: list[str] = []
