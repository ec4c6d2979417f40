"""How RQData counts. Checked by dividing turnover by volume in the vendor's printed samples.

Shares, constituents' shares, contracts and bonds one by one, turnover in yuan; whole yuan where
the samples show no cents.
"""

from __future__ import annotations

from argus_core import Exchange, Kind, Units

_REPO_BONDS = 10.0
"""A repurchase agreement is counted in units of 1 000 yuan: ten bonds of 100 yuan."""

UNITS = (
    # No sample of a fund is printed anywhere, so the core finds its unit by turnover ÷ volume.
    Units(kinds=frozenset({Kind.FUND}), volume=None, turnover_step=1.0),
    Units(
        kinds=frozenset({Kind.BOND}),
        exchanges=frozenset({Exchange.SH}),
        codes=("204",),
        volume=_REPO_BONDS,
        volume_step=_REPO_BONDS,
        turnover_step=1.0,
    ),
    Units(
        kinds=frozenset({Kind.BOND}),
        exchanges=frozenset({Exchange.SZ}),
        codes=("131",),
        volume=_REPO_BONDS,
        volume_step=_REPO_BONDS,
        turnover_step=1.0,
    ),
    Units(kinds=frozenset({Kind.BOND}), turnover_step=0.01),
    Units(turnover_step=1.0),
)
