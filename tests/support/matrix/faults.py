"""The rows: what is broken, how, and what still lives meanwhile."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from support.disk import filled
from support.matrix.house import House
from support.matrix.market import library
from support.matrix.watch import healthy
from support.network import Lacking, Namespace

Fault = Callable[[House], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    what: str
    """The fault in words."""
    alive: str
    """What still answers while it lasts."""
    fault: Fault
    back: float = 30.0
    """Seconds after its end within which every node works again by itself."""
    disk: bool = False
    """Whether the edge keeps a tier and an archive on a small disk."""
    cable: Callable[[Namespace], AbstractContextManager[None]] | None = None
    """What is done to the cable between edge and first agent; ``fault`` is nothing then."""
    needs: Callable[[], None] | None = None
    """Raises :class:`Lacking` where the row cannot be run."""


def _tushares(fault: str, other: str | None = None, **more: object) -> Fault:
    """Both Tushare accounts do that; RQData lives."""

    @contextmanager
    def broken(house: House) -> Generator[None]:
        with ExitStack() as stack:
            for vendor, name in zip(house.vendors[:2], (fault, other or fault), strict=True):
                stack.callback(vendor.does, fault=None)
                vendor.does(fault=name, **more)
            house.spoilt = True
            yield
            house.spoilt = False

    return broken


@contextmanager
def _slow(house: House) -> Generator[None]:
    with _tushares("slow", seconds=50 * house.p50)(house):
        yield


@contextmanager
def _reset(house: House) -> Generator[None]:
    """Reset in the middle of the body: what comes after the first bytes of an answer is lost."""
    with house.one.trouble(cut_after=300), house.two.trouble(cut_after=300):
        yield


@contextmanager
def _killed(house: House) -> Generator[None]:
    house.agent_a.kill()
    try:
        yield
    finally:
        house.agent_a.start()
        house.agent_a.ready()


@contextmanager
def _stopped(house: House) -> Generator[None]:
    house.agent_a.signal("SIGSTOP")
    try:
        yield
    finally:
        house.agent_a.signal("SIGCONT")


@contextmanager
def _restarted(house: House) -> Generator[None]:
    """Both agents, one after the other, as an upgrade does it."""
    for agent in (house.agent_a, house.agent_b):
        agent.end()
        agent.start()
        agent.ready()
        _wait_for_edge(house, agent.name)
    yield


def _wait_for_edge(house: House, agent: str) -> None:
    """Return when the edge asks this agent again, as whoever upgrades looks before going on."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        told = house.edge.sources().get(agent)
        if told and healthy(told):
            return
        time.sleep(0.2)


@contextmanager
def _late(house: House) -> Generator[None]:
    with house.link_a.trouble(latency=0.3, jitter=0.1):
        yield


@contextmanager
def _stalled(house: House) -> Generator[None]:
    with house.link_a.trouble(hang=True):
        yield


@contextmanager
def _cut(house: House) -> Generator[None]:
    with house.link_a.refusing():
        yield


@contextmanager
def _torn(house: House) -> Generator[None]:
    with house.link_a.trouble(cut_after=400):
        yield


@contextmanager
def _no_redis(house: House) -> Generator[None]:
    with house.redis.down():
        yield


@contextmanager
def _silent_redis(house: House) -> Generator[None]:
    with house.redis.paused():
        yield


def _jump(seconds: int) -> Fault:
    @contextmanager
    def jumped(house: House) -> Generator[None]:
        house.market.jump(house.clock_b, seconds)
        try:
            yield
        finally:
            house.market.jump(house.clock_b, 0)

    return jumped


@contextmanager
def _full(house: House) -> Generator[None]:
    """Fill the disk to the last byte."""
    assert house.disk is not None
    ballast = filled(house.disk)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def _nothing(_house: House) -> Generator[None]:
    yield


def _clock() -> None:
    if library() is None:
        raise Lacking("needs libfaketime: apt-get install faketime")


def _signals() -> None:
    if sys.platform == "win32":
        raise Lacking("Windows has no SIGSTOP")


NOTHING = "nothing"
THREE = "RQData at both agents"
B, ALL = "agent_b", "all"
ROWS: tuple[Row, ...] = (
    Row(name=NOTHING, what="nothing is broken", alive="everything", fault=_nothing),
    Row(name="refuse", what="vendors refuse", alive=THREE, fault=_tushares("refuse")),
    Row(name="hang", what="vendors hang", alive=THREE, fault=_tushares("hang")),
    Row(
        name="slow",
        what="vendors 50 times slower",
        alive=THREE,
        fault=_slow,
        # Now and then one answers in time, and is found wanting again: the second time is 60 s.
        back=75.0,
    ),
    Row(name="reset", what="vendors reset mid-body", alive=THREE, fault=_reset),
    Row(name="garbage", what="garbage", alive=THREE, fault=_tushares("html", "bad_gzip")),
    Row(
        name="units",
        what="volume in wrong units",
        alive=THREE,
        fault=_tushares("volume_flip"),
        back=630.0,  # what proved false is quarantined for ten minutes
    ),
    Row(name="empty", what="empty answers", alive=THREE, fault=_tushares("empty")),
    Row(name="partial", what="answers cut off", alive=THREE, fault=_tushares("truncated")),
    Row(
        name="holes",
        what="every third row left out",
        alive=THREE,
        fault=_tushares("short_rows"),
    ),
    Row(name="429", what="429", alive=THREE, fault=_tushares("http_429"), back=75.0),
    Row(
        name="429-retry",
        what="429 with Retry-After: 3",
        alive=THREE,
        fault=_tushares("http_429", header="3"),
    ),
    Row(name="login", what="login lost", alive=THREE, fault=_tushares("bad_token"), back=330.0),
    Row(name="kill", what="agent SIGKILL", alive=B, fault=_killed),
    Row(name="stop", what="agent SIGSTOP", alive=B, fault=_stopped, needs=_signals),
    Row(name="restart", what="agents restart in turn", alive="the other", fault=_restarted),
    Row(name="delay", what="0.3 s ± 0.1 s edge to agent", alive=B, fault=_late),
    Row(name="stall", what="silence edge to agent", alive=B, fault=_stalled),
    Row(name="cut", what="cut edge to agent", alive=B, fault=_cut),
    Row(name="torn", what="reset mid-body edge to agent", alive=B, fault=_torn),
    Row(
        name="unplugged",
        what="cable pulled edge to agent",
        alive=B,
        fault=_nothing,
        cable=Namespace.unplugged,
    ),
    Row(
        name="loss",
        what="5 % packet loss edge to agent",
        alive=B,
        fault=_nothing,
        cable=lambda cable: cable.losing(5),
    ),
    Row(name="redis", what="Redis gone", alive="L1, agents", fault=_no_redis),
    Row(
        name="redis-stop",
        what="Redis silent",
        alive="L1, agents",
        fault=_silent_redis,
        needs=_signals,
    ),
    Row(name="ahead", what="an agent's clock + 1 h", alive=ALL, fault=_jump(3600), needs=_clock),
    Row(name="behind", what="an agent's clock - 1 h", alive=ALL, fault=_jump(-3600), needs=_clock),
    Row(name="disk", what="disk full", alive=ALL, fault=_full, disk=True),
)
