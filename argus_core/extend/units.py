"""How a vendor counts, stated once and applied by the core."""

from __future__ import annotations

from dataclasses import dataclass

from argus_core.model.period import Period
from argus_core.model.symbol import Exchange, Kind, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """One rule: for these datasets, kinds and periods, multiply to get shares and yuan.

    ``volume`` and ``turnover`` are the factors (100 where the vendor counts lots, 1 000 where it
    counts thousand yuan). ``volume_step`` and ``turnover_step`` say how coarsely the vendor
    rounds, in shares and yuan, ``time_step`` how coarsely it dates snapshots, in seconds. Empty
    sets mean "all", ``codes`` are what a symbol begins with and ``exchanges`` where it trades; a
    source's first matching rule wins.

    ``volume=None`` says that nobody knows how the vendor counts: the factor is then inferred for
    each symbol from turnover ÷ volume against the day's range, is named in ``explain`` as
    inferred, and volumes are null where nothing allows the inference.
    """

    volume: float | None = 1.0
    turnover: float = 1.0
    volume_step: float = 1.0
    turnover_step: float = 0.01
    time_step: float = 0.001
    datasets: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    periods: frozenset[Period] = frozenset()
    exchanges: frozenset[Exchange] = frozenset()
    codes: tuple[str, ...] = ()

    def covers(self, dataset: str, symbol: Symbol, kind: Kind, period: Period | None) -> bool:
        """True if this rule speaks about such rows."""
        return (
            (not self.datasets or dataset in self.datasets)
            and (not self.kinds or kind in self.kinds)
            and (not self.periods or period is None or period in self.periods)
            and (not self.exchanges or symbol.exchange in self.exchanges)
            and (not self.codes or symbol.startswith(self.codes))
        )
