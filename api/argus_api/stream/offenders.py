"""Addresses whose connections have to be ended for abuse again and again."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

from argus_api.stream.codes import RATE_LIMITED
from argus_core.errors import CallerError

WINDOW = 60.0
"""Seconds within which the ends are counted, and for which an address is then kept out."""
KNOWN = 10_000
"""Addresses that are remembered; those that offended longest ago are forgotten first."""


class KeptOut(CallerError):
    """The address is kept out for a while; ``retry_after`` says for how many seconds."""

    code = RATE_LIMITED
    status = 429

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "too many connections of this address were ended for abuse; mend the client"
        )
        self.retry_after = retry_after


class Offenders:
    """Counts, by address, the connections that were ended for abuse.

    ``most`` gives how many of them a minute sees before the address is kept out for a minute. This
    machine itself never is: behind a proxy that does not tell whom it speaks for, everybody comes
    from there.
    """

    def __init__(self, most: Callable[[], int], now: Callable[[], float]) -> None:
        self._most = most
        self._now = now
        self._ends: dict[str, tuple[int, float]] = {}
        """How many, and since when they are counted or kept out."""

    def note(self, address: str) -> bool:
        """Count one more; true if from now on the address is kept out."""
        place = _place(address)
        if place is None:
            return False
        now, most = self._now(), self._most()
        count, since = self._ends.pop(place, (0, now))
        if now - since >= WINDOW:
            count, since = 0, now
        if count >= most:  # it came in before it was kept out
            self._ends[place] = count, since
            return False
        count += 1
        self._ends[place] = count, now if count >= most else since
        while len(self._ends) > KNOWN:
            del self._ends[next(iter(self._ends))]
        return count >= most

    def wait(self, address: str) -> float:
        """Seconds for which an address is still kept out; 0.0 if it is not."""
        if not self._ends:
            return 0.0
        place = _place(address)
        if place is None:
            return 0.0
        count, since = self._ends.get(place, (0, 0.0))
        if count < self._most():
            return 0.0
        left = since + WINDOW - self._now()
        if left > 0.0:
            return left
        del self._ends[place]
        return 0.0


def _place(address: str) -> str | None:
    """Whom an address stands for, of IPv6 its network; None for this machine and for no address."""
    try:
        known = ip_address(address)
    except ValueError:  # a socket in the file system, or what a proxy made up
        return None
    if isinstance(known, IPv6Address):
        if known.ipv4_mapped is None:
            network = IPv6Network((int(known), 64), strict=False)
            return None if known.is_loopback else str(network)
        known = known.ipv4_mapped
    return None if known.is_loopback else str(known)
