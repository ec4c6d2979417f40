"""What is archived: a series, its place among the files, and how it is cut into chunks."""

from __future__ import annotations

import calendar
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from argus_core.model.period import Period

_PLAIN: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyz-_.")
_UPPER: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LONGEST: Final = 180
"""Bytes of one folder's name; file systems allow 255."""
_DIGEST: Final = 16


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """One source's series of one symbol."""

    dataset: str
    """``bars`` or ``factors``."""
    period: str
    """``1m``, ``1d``, …; empty for factors."""
    source: str
    symbol: str

    @property
    def intraday(self) -> bool:
        """True if its rows are labelled by an instant, not by a date."""
        return self.period in _INTRADAY

    @property
    def label(self) -> str:
        """The column that names a row: ``time`` within the day, else ``date``."""
        return "time" if self.intraday else "date"

    @property
    def folder(self) -> str:
        """Its folder below the archive's, in hive style, with forward slashes."""
        period = f"/period={_encoded(self.period)}" if self.period else ""
        source = _encoded(self.source, foldable=True)
        return f"{self.dataset}{period}/source={source}/symbol={_encoded(self.symbol)}"

    def bucket(self, day: date) -> Bucket:
        """The bucket that holds ``day``: a month, a year, or for factors the only one."""
        if self.dataset == "factors":
            return Bucket("all", date.min, date.max)
        if self.intraday:
            last = calendar.monthrange(day.year, day.month)[1]
            return Bucket(
                f"{day.year:04}-{day.month:02}", day.replace(day=1), day.replace(day=last)
            )
        return Bucket(f"{day.year:04}", date(day.year, 1, 1), date(day.year, 12, 31))

    def buckets(self, start: date, end: date) -> Iterator[Bucket]:
        """The buckets that hold the days from ``start`` to ``end``, both inclusive."""
        day = start
        while day <= end:
            bucket = self.bucket(day)
            yield bucket
            if bucket.last == date.max:
                return
            day = bucket.last + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The days whose rows share a chunk."""

    name: str
    first: date
    last: date


_INTRADAY: Final = frozenset(str(period) for period in Period if period.intraday)


def _encoded(text: str, *, foldable: bool = False) -> str:
    """``text`` as a folder's name on any system; ``urllib.parse.unquote`` gives it back.

    Letters and digits of every script stay, the rest is percent-encoded. ``foldable``: capitals
    are encoded too, because two names may differ in case only and some file systems see no
    difference. A name too long for a folder ends in a digest instead.
    """
    plain = _PLAIN if foldable else _PLAIN | _UPPER
    name = "".join(_sign(character, plain) for character in text)
    if name.endswith("."):
        name = f"{name[:-1]}%2E"
    if len(name.encode()) <= _LONGEST:
        return name
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    head = name.encode()[: _LONGEST - _DIGEST - 1].decode(errors="ignore")
    return f"{head}~{digest}"


def _sign(character: str, plain: frozenset[str]) -> str:
    if character in plain:
        return character
    if not character.isascii() and character.isalnum() and character == character.casefold():
        return character
    octets = character.encode(errors="surrogatepass")
    return "".join(f"%{octet:02X}" for octet in octets)
