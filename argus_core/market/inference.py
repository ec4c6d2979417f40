"""The unit of a volume that nobody documents, told from what the volume cost.

Turnover ÷ volume is a price if volume counts shares, a hundred prices if it counts lots. The
vendors' units lie a factor of ten apart and a day's prices do not, so one traded bar decides;
the most typical of all bars is taken, and the proof afterwards judges each bar by it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import Final

import polars as pl

from argus_core.extend.units import Units
from argus_core.market.units import FLIP
from argus_core.model.records import Quote

FACTORS: Final = (1.0, 10.0, 100.0, 1_000.0)
"""Shares in one unit of a vendor's volume: shares, bonds' lots, lots, thousands."""
TELLING: Final = 2.0
"""Rounding steps of turnover below which a trade tells the step rather than its own cost."""


def inferred_from_bars(frame: pl.DataFrame, rule: Units) -> Units | None:
    """``rule`` with the volume's factor that the bars of one symbol show; None if none do.

    ``frame`` has the vendor's own ``volume`` and ``turnover``.
    """
    told = pl.col("turnover") * rule.turnover >= TELLING * rule.turnover_step
    traded = frame.filter((pl.col("volume") > 0) & told & (pl.col("close") > 0))
    volumes, prices = traded["volume"], traded["close"]
    ratios = (traded["turnover"] * rule.turnover / volumes / prices).to_list()
    return _known(ratios, rule)


def inferred_from_quote(quote: Quote, rule: Units) -> Units | None:
    """``rule`` with the volume's factor that the day so far shows; None if it shows none."""
    volume, turnover, price = quote.volume, quote.turnover, quote.price
    # A comparison with NaN fails; a sentinel makes a ratio that is near nothing.
    if not (volume and turnover and price and volume > 0 and turnover > 0 and price > 0):
        return None
    if turnover * rule.turnover < TELLING * rule.turnover_step:
        return None
    return _known([turnover * rule.turnover / volume / price], rule)


def _known(ratios: list[float], rule: Units) -> Units | None:
    if not ratios:
        return None
    typical = median(ratios)
    if not 0 < typical < math.inf:
        return None
    nearest = min(FACTORS, key=lambda factor: abs(math.log(typical / factor)))
    if not 1 / FLIP < typical / nearest < FLIP:
        return None
    return replace(rule, volume=nearest, volume_step=max(rule.volume_step, nearest))
