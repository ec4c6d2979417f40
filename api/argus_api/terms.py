"""What a request carries besides its question: its gateway, its deadline, its symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from starlette.requests import Request

from argus_api.params import ADJUST, ADJUST_BASE, MAX_STALENESS, SYMBOL, SYMBOLS, USE_CACHE
from argus_api.query import Values, quoted
from argus_api.reading import day_of
from argus_core import Adjust, BadParameter, Period, Symbol, parse_symbol
from argus_core.errors import TooLarge
from argus_core.gateway import Gateway
from argus_core.model.answer import Failure
from argus_core.model.ask import Ask, Deadline
from argus_core.model.request import amend

LONGEST_DEADLINE = 60.0
LATEST_SECONDS = 3.0
HISTORY_SECONDS = 15.0
OTHER_SECONDS = 10.0

LATEST_CAP = 1000
FULL_CAP = 200
HISTORY_CAP = 100


def gateway_of(request: Request) -> Gateway:
    """The gateway that the application was made for."""
    return cast("Gateway", request.app.state.gateway)


def request_id_of(request: Request) -> str:
    """The request's id, which is also its trace id."""
    return cast("str", request.scope["argus.request_id"])


def ask_of(request: Request, values: Values, seconds: float) -> Ask:
    """The terms of a request whose path allows ``seconds`` unless its header says otherwise."""
    clock = gateway_of(request).clock
    started: float = request.scope["argus.started"]
    at = started + _deadline_seconds(request, seconds)
    deadline = Deadline(at=at, clock=clock, started=started)
    amend(deadline=deadline)
    return Ask(
        deadline=deadline,
        use_cache=values[USE_CACHE],
        max_staleness=values[MAX_STALENESS],
        trace_id=request_id_of(request),
    )


def _deadline_seconds(request: Request, default: float) -> float:
    text = request.headers.get("x-argus-deadline")
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_DEADLINE:
        raise BadParameter(
            f"X-Argus-Deadline must be seconds, more than 0 and at most {LONGEST_DEADLINE:g}, "
            f"not {quoted(text)}",
            details={"parameter": "X-Argus-Deadline"},
        )
    return seconds


@dataclass(frozen=True, slots=True)
class Batch:
    """The symbols of one request: those that could be read, and why the others could not."""

    symbols: tuple[Symbol, ...]
    errors: dict[str, Failure]


def today_of(request: Request) -> date:
    """Today in Shanghai."""
    return gateway_of(request).clock.now().date()


def batch_of(values: Values, cap: int, start: date, end: date) -> Batch:
    """The asked symbols, each once; raises if none can be read or there are more than ``cap``.

    ``start`` and ``end``, today where no range is asked for, tell contracts of different decades
    apart.
    """
    texts, name = values[SYMBOLS], values.spelling(SYMBOLS)
    if len(texts) > cap:
        raise TooLarge(
            f"{name} holds {len(texts)} entries; this path takes at most {cap} in one request",
            details={"parameter": name, "allowed": cap},
        )
    first, last = day_of(start), day_of(end)
    symbols: dict[Symbol, None] = {}
    errors: dict[str, Failure] = {}
    for text in texts:
        try:
            symbols[parse_symbol(text, start=first, end=last)] = None
        except BadParameter as error:
            errors[text] = Failure(code=error.code, message=error.message)
    if not symbols:
        message = "; ".join(failure.message for failure in list(errors.values())[:3])
        raise BadParameter(message, details={"parameter": name})
    return Batch(tuple(symbols), errors)


def symbol_of(values: Values, start: date, end: date) -> Symbol:
    """The one asked symbol, where a path takes no more; the range is that of :func:`batch_of`."""
    texts, name = values[SYMBOL], values.spelling(SYMBOL)
    if len(texts) != 1:
        raise BadParameter(
            f"{name} takes one symbol here, not {len(texts)}", details={"parameter": name}
        )
    try:
        return parse_symbol(texts[0], start=day_of(start), end=day_of(end))
    except BadParameter as error:
        raise BadParameter(error.message, details={"parameter": name}) from None


def base_of(request: Request, values: Values) -> date | None:
    """The date whose prices stay as traded; :class:`BadParameter` where none can be chosen."""
    base = values[ADJUST_BASE]
    if base is None:
        return None
    problem = None
    if values[ADJUST] is Adjust.NONE:
        problem = "needs adjust=pre or adjust=post; with adjust=none every price is as traded"
    elif base > today_of(request):
        problem = f"{base.isoformat()} lies in the future, whose factors nobody knows"
    if problem:
        raise BadParameter(f"adjust_base {problem}", details={"parameter": "adjust_base"})
    return base


def span_of(start: date, end: date, period: Period) -> tuple[date, date]:
    """The asked range, as dates from a day on; :class:`BadParameter` if it runs backwards.

    Within the day a bound may be an instant; against a bound without a time its date counts.
    """
    if not (period.intraday and isinstance(start, datetime) and isinstance(end, datetime)):
        days_of(start, end)
    elif start > end:
        raise _backwards(start, end)
    return (start, end) if period.intraday else days_of(start, end)


def days_of(start: date, end: date) -> tuple[date, date]:
    """The asked range as dates; raises :class:`BadParameter` if it runs backwards."""
    first, last = day_of(start), day_of(end)
    if first > last:
        raise _backwards(first, last)
    return first, last


def _backwards(start: date, end: date) -> BadParameter:
    return BadParameter(
        f"start_date {start.isoformat()} lies after end_date {end.isoformat()}",
        details={"parameter": "start_date"},
    )


def picked(asked: Sequence[str] | None, allowed: Sequence[str]) -> tuple[str, ...]:
    """The wanted ones of ``allowed``, in its order; all of them for ``None`` or "all"."""
    if asked is None or tuple(asked) == ("all",):
        return tuple(allowed)
    for name in asked:
        if name not in allowed:
            raise BadParameter(
                f"fields has no {quoted(name)}; allowed: all, {', '.join(allowed)}",
                details={"parameter": "fields", "allowed": ["all", *allowed]},
            )
    return tuple(name for name in allowed if name in asked)
