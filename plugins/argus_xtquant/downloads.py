"""What must be downloaded before it is read, and the downloading itself.

The client answers history from its own files, which hold what was downloaded, and what was
downloaded during a trading day holds a part of that day for ever. So a row is no proof of a whole
day: recent days are downloaded once more by each process, after their close.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from argus_core import BadData, Job, NotOffered, SourceUnavailable
from argus_xtquant.days import settled_at
from argus_xtquant.refusals import UnknownCode
from argus_xtquant.session import Session
from argus_xtquant.surface import Xtdata

logger = logging.getLogger(__name__)

_RECENT = timedelta(days=14)
"""How far back a day may have been left unfinished in the client's files."""
_MOST_SPANS = 20
"""Spans remembered of one series; a forgotten one costs another download."""


@dataclass(frozen=True, slots=True)
class _Span:
    start: date
    end: date
    at: datetime


class Ledger:
    """What this process has downloaded of each series, and when. Thread-safe."""

    def __init__(self, refresh: float) -> None:
        self._refresh = timedelta(seconds=refresh)
        self._spans: dict[tuple[str, str], list[_Span]] = {}
        self._lock = threading.Lock()

    def note(self, codes: Iterable[str], period: str, start: date, end: date, at: datetime) -> None:
        """Remember that these series were downloaded from ``start`` to ``end``."""
        span = _Span(start, end, at)
        with self._lock:
            for code in codes:
                known = self._spans.setdefault((code, period), [])
                known[:] = [s for s in known if not (start <= s.start and s.end <= end)]
                known.append(span)
                del known[:-_MOST_SPANS]

    def lacking(
        self, code: str, period: str, days: Sequence[date], held: Collection[date], now: datetime
    ) -> list[date]:
        """Those of ``days`` that must be downloaded; ``held`` have rows in the client's files."""
        with self._lock:
            spans = tuple(self._spans.get((code, period), ()))
        recent = now.date() - _RECENT
        return [
            day
            for day in days
            if (day >= recent or day not in held) and not self._whole(day, spans, now)
        ]

    def _whole(self, day: date, spans: Iterable[_Span], now: datetime) -> bool:
        """True if the day was downloaded after its close, or a moment ago."""
        needed = min(settled_at(day), now - self._refresh)
        return any(span.start <= day <= span.end and span.at >= needed for span in spans)


@dataclass(frozen=True, slots=True)
class Download:
    """One download: these series, of this period, between bounds as the vendor takes them."""

    codes: tuple[str, ...]
    period: str
    begin: str
    end: str

    @property
    def key(self) -> str:
        """What the same download is known by, so that it is joined and not begun again."""
        return f"{self.period} {self.begin}-{self.end} {','.join(self.codes)}"

    def run(self, session: Session, job: Job) -> None:
        """Return when the client has it all. Runs beside other calls; raises what went wrong."""
        job.alive(0, len(self.codes))
        if session.modern:
            self._together(session, job)
        else:
            self._one_by_one(session, job)
        job.alive(len(self.codes), len(self.codes))

    def _together(self, session: Session, job: Job) -> None:
        try:
            self._at_once(session, job)
        except UnknownCode:
            # One wrong code fails all; alone it has nothing to download, and reading says so
            for code in self.codes if len(self.codes) > 1 else ():
                replace(self, codes=(code,)).run(session, job)

    def _at_once(self, session: Session, job: Job) -> None:
        progress = Progress(job)
        session.beside(
            f"the download of {self.period}",
            lambda x: _downloading(x, "download_history_data2")(
                self.codes, self.period, self.begin, self.end, progress
            ),
        )
        job.alive(progress.finished, progress.total)
        if not progress.complete:
            # Where the native call returned a true value the vendor's module forgets the failure
            raise BadData(f"the client ended the download of {self.period} without completing it")

    def _one_by_one(self, session: Session, job: Job) -> None:
        """For clients of old, which download one series a call and tell nothing of how it went."""
        for done, code in enumerate(self.codes):
            job.alive(done, len(self.codes))
            with contextlib.suppress(UnknownCode):  # it has nothing to download, the others do
                session.beside(f"the download of {self.period}", self._asking(code))
            if not session.connected:
                raise SourceUnavailable("the link to the client broke during a download")

    def _asking(self, code: str) -> Callable[[Xtdata], object]:
        return lambda x: _downloading(x, "download_history_data")(
            code, self.period, self.begin, self.end
        )


def _downloading(xtdata: Xtdata, name: str) -> Callable[..., object]:
    """The vendor's function, which a module that only looks like the vendor's may lack."""
    function: Callable[..., object] | None = getattr(xtdata, name, None)
    if function is None:
        raise NotOffered(f"the module has no {name}: set download = false")
    return function


class Progress:
    """Takes the vendor's progress, in a thread of the vendor's; what it raises would be lost."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.finished = 0
        self.total = 0
        self.complete = False

    def __call__(self, told: Any) -> None:
        """Note how far the download is, which is also its sign of life."""
        self.finished = int(told.get("finished", 0))
        self.total = int(told.get("total", 0))
        self.complete = self.complete or self.finished >= self.total >= 0
        self._job.alive(self.finished, self.total)
