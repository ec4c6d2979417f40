"""Where two sources' answers to one question differ by more than they state as their resolution."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What a vendor does not have at all; it is null there, and stands in the capability matrix.
LACKS: dict[str, dict[str, set[str]]] = {
    "tushare": {
        "instrument_detail": {"price_tick", "lot_size", "sector"},
    },
    "xtquant": {
        "latest": {"name"},
        "full": {"name"},
        "instrument_detail": {
            *("industry", "sector", "market", "market_cap", "pe_ratio", "pb_ratio"),
            *("dividend_yield", "lot_size"),
        },
    },
    "rqdatac": {
        "instrument_detail": {
            *("industry", "total_shares", "float_shares", "market_cap", "pe_ratio", "pb_ratio"),
            *("dividend_yield", "price_tick"),
        },
    },
}


@dataclass(frozen=True)
class Pair:
    """Two sources, the question's name, and how coarse the coarser of their answers is."""

    one: str
    two: str
    question: str
    steps: dict[str, float]

    def told(self, where: str, x: Any, y: Any) -> str:
        """The difference as a sentence."""
        return f"{where}: {self.one} {x!r}, {self.two} {y!r}"

    def lacks(self, source: str, name: str) -> bool:
        """True if that source never has the field."""
        return name in LACKS.get(source, {}).get(self.question, ())


def differences(question: str, one: str, two: str, a: dict, b: dict) -> Iterator[str]:
    """A sentence for each difference between two bodies of v1."""
    failed = [
        (name, body.get("error")) for name, body in ((one, a), (two, b)) if "data" not in body
    ]
    if failed:
        yield f"not answered: {failed}"
        return
    steps: dict[str, float] = {}
    for body in (a, b):
        for name, step in (body["meta"].get("resolution") or {}).items():
            steps[name] = max(step, steps.get(name, 0))
    yield from _walk(Pair(one, two, question, steps), "data", "data", a["data"], b["data"])


def _walk(pair: Pair, where: str, name: str, x: Any, y: Any) -> Iterator[str]:
    if isinstance(x, dict) and isinstance(y, dict):
        if x.keys() != y.keys():
            yield f"{where}: one alone has {sorted(x.keys() ^ y.keys())}"
        for key in x.keys() & y.keys():
            yield from _walk(pair, f"{where}.{key}", key, x[key], y[key])
    elif isinstance(x, list) and isinstance(y, list):
        # Books are compared to the smaller depth.
        if len(x) != len(y) and name not in ("bids", "asks"):
            yield f"{where}: {len(x)} and {len(y)} entries"
        for at, (left, right) in enumerate(zip(x, y, strict=False)):
            yield from _walk(pair, f"{where}[{at}]", name, left, right)
    elif not _same(pair, name, x, y):
        yield pair.told(where, x, y)


def _same(pair: Pair, name: str, x: Any, y: Any) -> bool:
    if x is None and y is not None:
        return pair.lacks(pair.one, name)
    if y is None and x is not None:
        return pair.lacks(pair.two, name)
    if name == "timestamp" and name in pair.steps:
        moments = [datetime.fromisoformat(text) for text in (x, y)]
        return abs((moments[0] - moments[1]).total_seconds()) < pair.steps[name]
    if isinstance(x, int | float) and (step := pair.steps.get(name)):
        return abs(x - y) <= step + 1e-6
    return x == y
