"""Who is logged in, what was called, and how much of the day's quota is used."""

from __future__ import annotations

import threading
from collections import Counter, deque

from vendors.rqdata_wire import Refusal

AUTHENTICATION, PERMISSION, QUOTA = 2, 4, 5
TOO_MANY = "login session num reached MAX limit"


class Account:
    """One customer's logins, calls and bytes; safe from every connection's thread."""

    def __init__(self, user: str | None, password: str | None) -> None:
        self._user, self._password = user, password
        self._lock = threading.Lock()
        self.limit: int | None = None
        self.quota = {
            "bytes_limit": 0,
            "bytes_used": 0,
            "remaining_days": 0,
            "license_type": "FULL",
        }
        self.forget()
        self._sessions = 0

    def forget(self) -> None:
        """Begin to count anew; whoever is logged in stays so."""
        with self._lock:
            self._counts: Counter[str] = Counter()
            self._rpcs: Counter[str] = Counter()
            self._calls: deque[dict] = deque(maxlen=2000)
            self._peak = 0

    def connected(self) -> None:
        with self._lock:
            self._counts["connections"] += 1

    def log_in(self, given: dict) -> None:
        """One session more; raises :class:`Refusal` for a wrong password or one too many."""
        with self._lock:
            asked = given.get("username"), given.get("password")
            if self._user is not None and asked != (self._user, self._password):
                self._counts["refused"] += 1
                raise Refusal(AUTHENTICATION, "username or password is wrong")
            if self.limit is not None and self._sessions >= self.limit:
                self._counts["refused"] += 1
                raise Refusal(PERMISSION, TOO_MANY)
            self._sessions += 1
            self._peak = max(self._peak, self._sessions)
            self._counts["logins"] += 1

    def log_out(self) -> None:
        with self._lock:
            self._sessions -= 1

    def called(self, method: str, args: list, kwargs: dict) -> None:
        """Note a call; raises :class:`Refusal` where the quota is used up."""
        with self._lock:
            self._rpcs[method] += 1
            self._calls.append({"method": method, "args": args, "kwargs": kwargs})
            used_up = 0 < self.quota["bytes_limit"] <= self.quota["bytes_used"]
        if used_up and not method.startswith("user."):
            raise Refusal(QUOTA, "quota exceeded")

    def sent(self, count: int) -> None:
        with self._lock:
            self.quota["bytes_used"] += count

    def statistics(self) -> dict:
        with self._lock:
            return {
                **{name: self._counts[name] for name in ("connections", "logins", "refused")},
                "sessions": self._sessions,
                "peak_sessions": self._peak,
                "rpcs": dict(self._rpcs),
                "calls": list(self._calls),
                "bytes_used": self.quota["bytes_used"],
            }
