"""Trading dates as the instants between which their bars lie."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

from argus_core.clock import SHANGHAI
from argus_core.model.period import Period
from argus_core.model.query import BarsQuery
from argus_core.model.symbol import Symbol

_NIGHT_DAYS: Final = timedelta(days=3)
_NIGHT_OPENS: Final = time(20)


def bars_query(symbols: tuple[Symbol, ...], period: Period, start: date, end: date) -> BarsQuery:
    """The question about the raw bars of these trading dates, both inclusive."""
    nightly = period.intraday and any(symbol.exchange.trades_futures for symbol in symbols)
    since, until = bounds(start, end, nightly=nightly)
    return BarsQuery(symbols=symbols, period=period, start=start, end=end, since=since, until=until)


def bounds(start: date, end: date, *, nightly: bool) -> tuple[datetime, datetime]:
    """The widest instants that anything of these trading dates can carry."""
    since = datetime.combine(start, time(), SHANGHAI)
    if nightly:
        # No night session follows a holiday, so a Friday's is the earliest for any trading date.
        since = datetime.combine(start - _NIGHT_DAYS, _NIGHT_OPENS, SHANGHAI)
    return since, datetime.combine(end, time(23, 59, 59), SHANGHAI)
