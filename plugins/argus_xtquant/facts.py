"""How the vendor counts.

Evidence: snapshots recorded in 2022 to 2026. Turnover ÷ volume ÷ price is about 100 for shares
and funds of Shanghai and Shenzhen; the indices of all three give a plausible price only if their
volume is lots as well.

``pvolume``, the "raw" volume, is shares on some clients, lots on others and 0 on the rest, and is
never read.
"""

from __future__ import annotations

from argus_core import Exchange, Kind, Period, Units

_LOT = 100.0
_COUNTED_IN_LOTS = frozenset({Kind.STOCK, Kind.FUND, Kind.INDEX})
_SNAPSHOT_MONEY = 100.0
"""Turnover of days and snapshots was recorded rounded to 100 yuan, that of minutes was not."""
_MINUTES = frozenset({Period.M1})
_BARS = frozenset({"bars"})

UNITS: tuple[Units, ...] = (
    # STAR shares trade singly, and nobody has shown in what the vendor counts them
    Units(
        volume=None,
        volume_step=_LOT,
        turnover_step=_SNAPSHOT_MONEY,
        kinds=frozenset({Kind.STOCK}),
        exchanges=frozenset({Exchange.SH}),
        codes=("688", "689"),
    ),
    # Beijing's were recorded, but without a price that would prove them
    Units(
        volume=None,
        volume_step=_LOT,
        turnover_step=_SNAPSHOT_MONEY,
        kinds=frozenset({Kind.STOCK}),
        exchanges=frozenset({Exchange.BJ}),
    ),
    # Nor bonds, which have lots of ten and of one elsewhere
    Units(
        volume=None,
        volume_step=_LOT,
        turnover_step=_SNAPSHOT_MONEY,
        kinds=frozenset({Kind.BOND, Kind.UNKNOWN}),
    ),
    Units(
        volume=_LOT,
        volume_step=_LOT,
        turnover_step=1.0,
        datasets=_BARS,
        periods=_MINUTES,
        kinds=_COUNTED_IN_LOTS,
    ),
    Units(
        volume=_LOT,
        volume_step=_LOT,
        turnover_step=_SNAPSHOT_MONEY,
        kinds=_COUNTED_IN_LOTS,
    ),
    # Futures and options in contracts
    Units(volume=1.0, turnover_step=_SNAPSHOT_MONEY),
)
