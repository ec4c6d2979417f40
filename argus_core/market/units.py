"""A vendor's units made shares and yuan, and the proof that they were what the vendor says.

Whoever buys ``volume`` shares at prices between ``low`` and ``high`` pays between
``low * volume`` and ``high * volume``. Lots taken for shares, or thousands for yuan, break that
by a factor of ten and more, so every bar proves or disproves its own units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl

from argus_core.extend.units import Units
from argus_core.model.period import Period
from argus_core.model.symbol import Kind, Symbol

PRICES: Final = ("open", "high", "low", "close")
CASH: Final = frozenset({Kind.STOCK, Kind.FUND, Kind.BOND})
"""Kinds that are bought for their price: no multiplier, no points."""
_REPOS: Final = (("204", ".SH"), ("131", ".SZ"))
_REPO_CODES: Final = tuple(code for code, _ in _REPOS)

SLACK: Final = 0.005
"""Relative room for what rounding steps do not explain, such as accrued interest."""
FLIP: Final = 2.0
"""Beyond this factor no rounding helps: the unit itself is another one."""


class Disproof(str):
    """A sentence why numbers contradict each other: more than a failure, their source is wrong."""

    __slots__ = ()


Status = Literal["proved", "off", "flipped", "impossible", "no turnover", "not applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the bars of one symbol say about their own units.

    ``bars`` counts all, ``proved`` those whose turnover ÷ volume lies in [low, high], ``off``
    those outside by less than a factor of two. ``reason`` names the first offending bar.
    """

    status: Status
    bars: int
    proved: int = 0
    off: int = 0
    reason: str | None = None

    @property
    def faulty(self) -> bool:
        """True if these bars cannot be true."""
        return self.status in ("flipped", "impossible")


def provable(symbol: Symbol, kind: Kind) -> bool:
    """True if ``symbol`` costs price times volume, so that its turnover can prove its units.

    The price of a repurchase agreement is an interest rate.
    """
    if symbol.startswith(_REPO_CODES) and (symbol[:3], symbol[-3:]) in _REPOS:
        return False
    return kind in CASH


def rule_for(
    rules: Iterable[Units], dataset: str, symbol: Symbol, kind: Kind, period: Period | None
) -> Units:
    """The first of a source's rules that speaks about such rows; none means shares and yuan."""
    covering = (rule for rule in rules if rule.covers(dataset, symbol, kind, period))
    return next(covering, Units())


def resolution(rule: Units) -> dict[str, float]:
    """How coarsely a vendor counts, by field: coarser than a share, a cent, a millisecond."""
    steps = {
        "volume": (rule.volume_step, 1.0),
        "turnover": (rule.turnover_step, 0.01),
        "timestamp": (rule.time_step, 0.001),
    }
    return {name: step for name, (step, natural) in steps.items() if step > natural}


def scale(frame: pl.DataFrame, rule: Units) -> pl.DataFrame:
    """``frame`` with ``volume`` in shares and ``turnover`` in yuan; an unknown unit stays."""
    factors = {"volume": rule.volume or 1.0, "turnover": rule.turnover}
    # 5251.27 * 100 is 525127.00000000006 in binary; the fourth decimal is below any real step
    scaled = [(pl.col(name) * factor).round(4) for name, factor in factors.items() if factor != 1.0]
    return frame.with_columns(scaled) if scaled else frame


def prove(frame: pl.DataFrame, *, rule: Units, money: bool) -> dict[Symbol, Proof]:
    """The proof of each symbol in ``frame``: canonical units, columns ``symbol``, ``time``, BARS.

    ``money`` says that all these symbols are :func:`provable` by turnover ÷ volume; others are
    only searched for bars that are impossible in themselves.
    """
    marks = _marks(frame, rule)
    proofs: dict[Symbol, Proof] = {}
    for row in _counts(marks):
        status, reason = _status(row, money=money), None
        if status in ("impossible", "flipped"):
            own = frame.hstack(marks.drop("symbol")).filter(pl.col("symbol") == row["symbol"])
            reason = _describe_impossible(own) if status == "impossible" else _describe_money(own)
        off = row["near"] - row["proved"]
        proofs[Symbol(row["symbol"])] = (
            Proof(status=status, bars=row["bars"], proved=row["proved"], off=off, reason=reason)
            if money
            else Proof(status=status, bars=row["bars"], reason=reason)
        )
    return proofs


def _counts(marks: pl.DataFrame) -> Iterable[dict[str, Any]]:
    """How many bars of each symbol bear each mark, and how many there are."""
    if marks["symbol"].n_unique() == 1:
        sums = {name: marks[name].sum() for name in _MARKS}
        return [{"symbol": marks["symbol"][0], "bars": marks.height, **sums}]
    counts = marks.group_by("symbol", maintain_order=True).agg(
        pl.len().alias("bars"), pl.col(*_MARKS).sum()
    )
    return counts.iter_rows(named=True)


_MARKS: Final = ("traded", "priced", "disordered", "negative", "tested", "near", "proved")


def _marks(frame: pl.DataFrame, rule: Units) -> pl.DataFrame:
    """Per bar what can be said of it; null where a number is missing, which counts as no.

    Series instead of expressions: on a handful of bars the query engine costs more than the sums.
    """
    low, high, volume, turnover = (frame[n] for n in ("low", "high", "volume", "turnover"))
    traded = volume > 0
    priced, ordered = traded, high >= low
    room = high * 1e-9 + 1e-6
    for name in PRICES:
        price = frame[name]
        priced = priced & (price > 0)
        ordered = ordered & (price >= low - room) & (price <= high + room)
    tested = traded & (turnover >= 0)
    return pl.DataFrame(
        [
            frame["symbol"],
            traded.alias("traded"),
            priced.alias("priced"),
            (~ordered).alias("disordered"),
            ((volume < 0) | (turnover < 0)).alias("negative"),
            tested.alias("tested"),
            (tested & _paid(frame, rule, FLIP)).alias("near"),
            (tested & _paid(frame, rule, 1.0)).alias("proved"),
        ]
    )


def _paid(frame: pl.DataFrame, rule: Units, factor: float) -> pl.Series:
    """True where the turnover is what the volume can have cost, give or take ``factor``."""
    volume, turnover = frame["volume"], frame["turnover"]
    least = frame["low"] * (volume - rule.volume_step) * ((1 - SLACK) / factor)
    dearest = frame["high"] * (volume + rule.volume_step) * ((1 + SLACK) * factor)
    return (turnover >= least - rule.turnover_step) & (turnover <= dearest + rule.turnover_step)


def _status(row: Mapping[str, int], *, money: bool) -> Status:
    if row["traded"] > row["priced"] or row["disordered"] or row["negative"]:
        return "impossible"
    if not money:
        return "not applicable"
    if not row["tested"]:
        return "no turnover"
    if row["tested"] > row["near"]:
        return "flipped"
    return "proved" if row["tested"] == row["proved"] else "off"


def _describe_impossible(own: pl.DataFrame) -> str:
    unpriced = pl.col("traded") & ~pl.col("priced").fill_null(value=False)
    row = own.filter(
        pl.any_horizontal(
            column.fill_null(value=False)
            for column in (unpriced, pl.col("disordered"), pl.col("negative"))
        )
    ).row(0, named=True)
    numbers = ", ".join(f"{name} {row[name]}" for name in (*PRICES, "volume", "turnover"))
    return f"the bar of {row['time']} is impossible: {numbers}"


def _describe_money(own: pl.DataFrame) -> str:
    row = own.filter(pl.col("tested") & ~pl.col("near")).row(0, named=True)
    return (
        f"the bar of {row['time']} disproves its units: turnover {row['turnover']} ÷ volume "
        f"{row['volume']} = {row['turnover'] / row['volume']:.6g} lies outside "
        f"[{row['low']}, {row['high']}]"
    )
