"""The answers of get_market_data3, in frames that the native stand-in gives their real shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from vendors.world import SHANGHAI, World
from vendors.xtquant_bars import BASES, COLUMNS, DIVIDENDS, PRICES, WHOLE, bars, invented, label
from vendors.xtquant_codes import Named
from vendors.xtquant_rows import HISTORY_FIELDS, milliseconds, pushed, tick_row
from vendors.xtquant_script import REFUSALS, Settings

Span = tuple[float, float]
ALWAYS: Span = (-math.inf, math.inf)
_FORMATS = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of get_market_data3, as far as the server has a use for them."""

    fields: list[str]
    codes: list[str]
    period: str
    start: object
    end: object
    count: int
    dividend: str
    fill: bool
    version: str


class VendorError(Exception):
    """Becomes a RuntimeError with this text in the calling process."""


class History:
    """What was downloaded, and reading it."""

    def __init__(self, world: World, codes: dict[str, Named], settings: Settings) -> None:
        self.world = world
        self.codes = codes
        self.settings = settings
        self.granted: dict[tuple[str, str], list[Span]] = {}

    def grant(self, code: str, period: str, start: object = "", end: object = "") -> None:
        """Nothing; from now on the asked range of this code can be read."""
        self.granted.setdefault((code, BASES.get(period, period)), []).append(span(start, end))

    def seen(self, code: str, period: str) -> list[Span]:
        """The ranges that can be read."""
        base = BASES.get(period, period)
        before = self.settings.downloaded
        if before == "all" or (before != "none" and [code, base] in before):
            return [ALWAYS]
        return self.granted.get((code, base), [])

    def answer(self, asked: Asked) -> object:
        """One answer in the shape of the version, arrays still as lists."""
        reach = span(asked.start, asked.end)
        if asked.dividend not in DIVIDENDS:
            raise VendorError("除权方式错误")
        for code in asked.codes:
            if "." not in code:
                raise VendorError(REFUSALS["bad_code"].format(code=code))
        if asked.period == "tick":
            return self._ticks(asked.fields, asked.codes, reach, asked.count)
        if asked.period.startswith("l2"):
            return {}
        if asked.period not in BASES:
            raise VendorError(REFUSALS["bad_period"])
        found = {code: self._bars(code, asked, reach) for code in asked.codes}
        found = {code: rows for code, rows in found.items() if rows is not None}
        if asked.version == "v2":
            return _aligned(found, asked.fields or COLUMNS, asked.fill)
        return [[code, *_columns(rows, asked.fields)] for code, rows in found.items()]

    def known(self, code: str) -> Named | None:
        """The instrument; None or a refusal for a code that nobody knows, as set."""
        named = self.codes.get(code)
        if named is None and self.settings.unknown_code == "error":
            raise VendorError(REFUSALS["bad_code"].format(code=code))
        return named

    def _bars(self, code: str, asked: Asked, reach: Span) -> list[tuple[str, dict]] | None:
        """Labels and rows; None where the code shall be absent."""
        recorded = self.settings.replay.get("bars", {}).get(code)
        if recorded:
            return _cut(_recorded(recorded), reach, asked.count)
        named, period = self.known(code), asked.period
        if named is None:
            return None if self.settings.unknown_code == "absent" else []
        whole = bars(
            self.world, named, period, self.settings, fill=asked.fill, dividend=asked.dividend
        )
        spans = self.seen(code, period)
        rows = [(label(row, period), row) for row in whole if _within(row, spans)]
        return _cut(rows, _widened(reach, period), asked.count)

    def _ticks(self, fields, codes, reach, count) -> dict:
        found = {}
        for code in codes:
            named = self.known(code)
            if named is None and self.settings.unknown_code == "absent":
                continue
            rows = []
            for tick in self.world.ticks.get(named.symbol, ()) if named else ():
                at = milliseconds(tick.time)
                inside = reach[0] <= at <= reach[1] and tick.time <= self.settings.now
                if inside and _within({"time": at}, self.seen(code, "tick")):
                    rows.append(tick_row(self.world, named, tick, self.settings))
            names = [name for name in fields or HISTORY_FIELDS if name in HISTORY_FIELDS]
            found[code] = {"fields": names, "rows": _last(rows, count)}
        return found

    def first(self, code: str, period: str, start, end, count: int) -> list[dict]:
        """The history that a subscription asks for, as its first push."""
        if not count or (named := self.codes.get(code)) is None:
            return []
        if period == "tick":
            rows = self._ticks([], [code], span(start, end), count)[code]["rows"]
            return [pushed(row, self.settings) for row in rows]
        if period not in BASES:
            return []
        whole = bars(self.world, named, period, self.settings, fill=False, dividend="none")
        rows = [(label(row, period), row) for row in whole]
        return [row for _, row in _cut(rows, _widened(span(start, end), period), count)]


def span(start: object, end: object) -> Span:
    """The closed interval in milliseconds that two texts or two times name."""
    return _edge(start, "起始时间错误", last=False), _edge(end, "结束时间错误", last=True)


def _edge(value: object, complaint: str, *, last: bool) -> float:
    if isinstance(value, int):
        return value
    if not value:
        return math.inf if last else -math.inf
    try:
        at = datetime.strptime(value, _FORMATS[len(value)]).replace(tzinfo=SHANGHAI)
    except (KeyError, ValueError, TypeError) as error:
        raise VendorError(complaint) from error
    if last and len(value) == 8:
        at += timedelta(days=1) - timedelta(milliseconds=1)
    return milliseconds(at)


def _widened(reach: Span, period: str) -> Span:
    """The interval from its first midnight for days, which are stamped midnight."""
    if BASES[period] != "1d" or reach[0] == -math.inf:
        return reach
    return reach[0] - (reach[0] + 8 * 3_600_000) % 86_400_000, reach[1]


def _within(row: dict, spans: list[Span]) -> bool:
    return any(first <= row["time"] <= last for first, last in spans)


def _cut(rows: list[tuple[str, dict]], reach: Span, count: int) -> list[tuple[str, dict]]:
    inside = [one for one in rows if reach[0] <= one[1].get("time", reach[0]) <= reach[1]]
    return _last(inside, count)


def _last(rows: list, count: int) -> list:
    if count < 0:
        return rows
    return rows[-count:] if count else []


def _recorded(frame: dict) -> list[tuple[str, dict]]:
    return [
        (index, dict(zip(frame["columns"], values, strict=True)))
        for index, values in zip(frame["index"], frame["data"], strict=True)
    ]


def _columns(rows: list[tuple[str, dict]], fields: list[str]) -> tuple[list, list]:
    """Labels, and for each column its name, the type of its numbers and its values."""
    names = list(rows[0][1]) if rows else COLUMNS
    columns = []
    for name in [one for one in fields or names if one in names]:
        values = [row[name] for _, row in rows]
        columns.append([name, _type(name, values), values])
    return [index for index, _ in rows], columns


def _type(name: str, values: list) -> str:
    if not values:
        return "<i8" if name in WHOLE else "<f8"
    return "<f8" if any(isinstance(value, float) for value in values) else "<i8"


def _aligned(found: dict[str, list], fields: list[str], fill: bool) -> dict:
    """All codes on one axis of labels: gaps are the bar before, flat, or NaN."""
    times = {index: row.get("time", 0) for rows in found.values() for index, row in rows}
    labels = sorted(times)
    table = {}
    for code, rows in found.items():
        own, before, line = dict(rows), None, []
        for index in labels:
            row = own.get(index)
            if row is None and fill and before is not None:
                row = invented(before, times[index])
            before = row or before
            line.append(row or dict.fromkeys(COLUMNS, math.nan))
        table[code] = line
    grid = {
        name: [[row[name] for row in line] for line in table.values()]
        for name in fields
        if name in COLUMNS
    }
    kinds = {name: _type(name, [v for line in rows for v in line]) for name, rows in grid.items()}
    return {"codes": list(table), "labels": labels, "grid": grid, "types": kinds}


def spoiled(answer: object, fault: str) -> object:
    """The answer as a data fault leaves it: no rows, NaN for prices, or another code."""
    if isinstance(answer, list):
        return [[_other(one[0], fault), *_spoiled_frame(one[1], one[2], fault)] for one in answer]
    if isinstance(answer, dict) and "grid" not in answer:
        return {
            _other(code, fault): {**one, "rows": _spoiled_rows(one["rows"], fault)}
            for code, one in answer.items()
        }
    return answer


def _other(code: str, fault: str) -> str:
    return "999999.SZ" if fault == "wrong_code" else code


def _spoiled_frame(labels: list, columns: list, fault: str) -> tuple[list, list]:
    if fault == "empty":
        return [], [[name, kind, []] for name, kind, _ in columns]
    if fault == "nan":
        return labels, [
            [name, kind, [math.nan] * len(values)] if name in PRICES else [name, kind, values]
            for name, kind, values in columns
        ]
    return labels, columns


def _spoiled_rows(rows: list[dict], fault: str) -> list[dict]:
    if fault == "empty":
        return []
    if fault == "nan":
        return [row | {"lastPrice": math.nan} for row in rows]
    return rows
