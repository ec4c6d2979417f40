"""One row from start to verdict: a new house, steady load, the fault, its end, what is left."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psutil
from support.disk import mounted
from support.matrix.evidence import Evidence
from support.matrix.faults import NOTHING, Row
from support.matrix.house import NAMES, House, house, leaks
from support.matrix.judge import Figures, Phases, disturbed, figures, missed
from support.matrix.load import LATEST, Plan, as_json
from support.matrix.market import STEP, TIMELESS
from support.matrix.served import Unready
from support.matrix.truth import SYMBOLS
from support.matrix.watch import Watch, watching
from support.network import Lacking, Namespace, namespace
from support.vendors import Vendor, surroundings

AGE = 3.0 + STEP + 1.5
"""Seconds that a quote may lie behind: its life in the edge's tiers, the time between two instants
of the stand-ins, and the making of the answer."""
DISK = 24
"""Megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a row is and how much is asked."""

    lead: float
    fault: float
    after: float
    warm_up: float = 15.0
    """Seconds of load before anything counts: connections are made, caches filled."""
    cached: float = 180.0
    uncached: float = 20.0
    patience: float = math.inf
    """Seconds after the fault's end for which returning nodes are waited for, at most."""

    @classmethod
    def of(cls, seconds: float) -> Pace:
        """A row of so many seconds: a fifth before the fault, two with it, two after it."""
        return cls(lead=seconds / 5, fault=seconds * 2 / 5, after=seconds * 2 / 5)


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What a row showed."""

    row: Row
    figures: Figures | None = None
    back: float | None = None
    """Seconds from the fault's end until every node worked again."""
    noticed: tuple[str, ...] = ()
    """What shows that the fault was there."""
    failures: int = 0
    cpu: dict[str, float] = field(default_factory=dict)
    """The share of one core that each process took."""
    stolen: float = 0.0
    """The share of the machine's time that other machines beside it took."""
    lag: float = 0.0
    """Seconds by which the generator was late at worst."""
    missed: tuple[str, ...] = ()
    not_run: str | None = None

    @property
    def doubtful(self) -> bool:
        """True if it missed something while the machine was too busy with other things."""
        told = self.figures
        return bool(self.missed) and told is not None and disturbed(told, self.stolen)


@dataclass(slots=True)
class _Loaded:
    """The generator while it runs, and what it wrote."""

    process: subprocess.Popen[str]
    book: Path
    market: float
    told: dict = field(default_factory=dict)


def trial(
    row: Row, stand_ins: tuple[Vendor, ...], data: Path, directory: Path, pace: Pace
) -> Verdict:
    """The verdict on a row; one that cannot be run here says why."""
    try:
        if row.needs is not None:
            row.needs()
        with ExitStack() as stack:
            cable = stack.enter_context(namespace()) if row.cable else None
            if cable is not None and row.cable is not None:
                with row.cable(cable):
                    pass  # whether it can be done is known before anything is started
            disk = directory / "disk" if row.disk else None
            if disk is not None:
                stack.enter_context(mounted(disk, DISK))
            listen = None if cable is None else (cable.name, cable.address)
            built = stack.enter_context(house(directory, stand_ins, disk=disk, listen=listen))
            return tried(row, built, data, pace, cable)
    except Lacking as lacking:
        return Verdict(row=row, not_run=str(lacking))
    except Unready as unready:
        return Verdict(row=row, missed=(str(unready),))


def tried(
    row: Row, built: House, data: Path, pace: Pace, cable: Namespace | None = None
) -> Verdict:
    """The verdict on a row in a house that runs, and should be whole again afterwards."""
    verdict = Verdict(row=row)
    with watching(*built.served) as watch:
        _run(verdict, built, watch, _fault(row, built, cable), data=data, pace=pace)
    return verdict


@contextmanager
def _fault(row: Row, built: House, cable: Namespace | None) -> Generator[None]:
    """What is broken as long as the context lasts."""
    with row.fault(built):
        if cable is None or row.cable is None:
            yield
        else:
            with row.cable(cable):
                yield


def _run(
    verdict: Verdict,
    built: House,
    watch: Watch,
    fault: AbstractContextManager[None],
    *,
    data: Path,
    pace: Pace,
) -> None:
    usage = _Usage(built)
    with _loading(built, data, pace) as loaded:
        time.sleep(pace.warm_up)
        lead = time.monotonic()
        built.p50 = _p50(built)
        _until(lead + pace.lead)
        begun = time.monotonic()
        with fault:
            evidence = Evidence.of(built)
            _until(begun + pace.fault)
            heal = time.monotonic()
            verdict.noticed = evidence.signs()
        healed = time.monotonic()
        bound = min(verdict.row.back, pace.patience)
        verdict.back = _returned(watch, bound, heal, healed + pace.after)
        end = time.monotonic()
        verdict.cpu, verdict.stolen = usage.shares(), usage.stolen()
    verdict.cpu["generator"] = loaded.told["cpu"]
    verdict.lag = loaded.told["worst_lag"]
    verdict.noticed += watch.troubled(begun, end)
    verdict.failures = watch.failures(begun)
    phases = Phases(
        lead=lead, fault=begun, heal=heal, healed=healed, end=end, watched=healed + pace.after
    )
    told = figures([tuple(one) for one in loaded.told["requests"]], phases)
    verdict.figures = told
    rate = pace.cached + pace.uncached
    # Whether nodes that may take longer would come back was not waited for.
    lasting = math.inf if bound < verdict.row.back else bound
    late = told.fault.worst > 2 * max(told.lead.worst, told.after.worst)
    noticed = bool(verdict.noticed) or late or verdict.row.name == NOTHING
    verdict.missed = missed(
        told,
        back=verdict.back,
        bound=lasting,
        rate=rate,
        noticed=noticed,
    )
    if found := leaks(built):
        verdict.missed += (f"a secret stands in the log of {', '.join(found)}",)


class _Usage:
    """The CPU that each process takes from now on."""

    def __init__(self, built: House) -> None:
        self._built = built
        vendors = {
            f"vendor {name}": v.process.pid for name, v in zip(NAMES, built.vendors, strict=True)
        }
        self._others = {name: psutil.Process(pid) for name, pid in vendors.items()}
        self._others["this"] = psutil.Process()
        self._began, self._before = time.monotonic(), self._taken()
        self._machine = psutil.cpu_times()

    def shares(self) -> dict[str, float]:
        """The share of one core that each took."""
        seconds = time.monotonic() - self._began
        return {name: (at - self._before[name]) / seconds for name, at in self._taken().items()}

    def stolen(self) -> float:
        """The share of the machine's time that it did not get; 0.0 where nobody says."""
        now, before = psutil.cpu_times(), self._machine
        whole = sum(now) - sum(before)
        return (getattr(now, "steal", 0.0) - getattr(before, "steal", 0.0)) / whole

    def _taken(self) -> dict[str, float]:
        taken = {one.name: one.cpu for one in self._built.served}
        for name, one in self._others.items():
            times = one.cpu_times()
            taken[name] = times.user + times.system
        return taken


def _returned(watch: Watch, bound: float, heal: float, least: float) -> float | None:
    """Seconds until all nodes were back; waits at least until ``least``, at most the bound."""
    while True:
        back = watch.back(heal)
        now = time.monotonic()
        whole = bool(back) and all(at is not None for at in back.values())
        if now >= least and (whole or now - heal > bound):
            return max(at for at in back.values() if at is not None) if whole else None
        time.sleep(0.25)


def _until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.monotonic()))


def _p50(built: House) -> float:
    """Seconds that an uncached question takes now."""
    taken = []
    for number in range(9):
        began = time.monotonic()
        built.edge.get(f"{LATEST}{SYMBOLS[number % len(SYMBOLS)]}&use_cache=false")
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


@contextmanager
def _loading(built: House, data: Path, pace: Pace) -> Generator[_Loaded]:
    """The load, for as long as the context lasts."""
    plan = Plan(
        url=built.edge.url,
        data=str(data),
        book=str(built.directory / "requests.json"),
        market=built.market.offset,
        age=AGE if built.market.shifted else TIMELESS,
        cached=pace.cached,
        uncached=pace.uncached,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "support.matrix.load", as_json(plan)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=surroundings(),
    )
    loaded = _Loaded(process, Path(plan.book), plan.market)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready", "the generator did not start"
        yield loaded
        process.communicate(timeout=60)
        loaded.told = orjson.loads(loaded.book.read_bytes())
    finally:
        process.kill()
        process.wait()
