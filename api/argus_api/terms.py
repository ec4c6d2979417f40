"""What a request carries besides its question: its gateway, its deadline, its symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from starlette.requests import Request

from argus_api.params import MAX_STALENESS, USE_CACHE
from argus_api.query import Values, quoted
from argus_api.reading import day_of
from argus_core import BadParameter, Period, Symbol, parse_symbol
from argus_core.errors import TooLarge
from argus_core.gateway import Gateway
from argus_core.model.answer import Failure
from argus_core.model.ask import Ask, Deadline

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
    return Ask(
        deadline=Deadline(at=at, clock=clock, started=started),
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


def batch_of(
    texts: Sequence[str], cap: int, *, start: date | None = None, end: date | None = None
) -> Batch:
    """The symbols that ``texts`` spell, each once; raises if none can be read or the cap is passed.

    ``start`` and ``end`` help to tell contracts of different decades apart.
    """
    if len(texts) > cap:
        raise TooLarge(
            f"symbols holds {len(texts)} entries; this path takes at most {cap} in one request",
            details={"parameter": "symbols", "allowed": cap},
        )
    first = None if start is None else day_of(start)
    last = None if end is None else day_of(end)
    symbols: dict[Symbol, None] = {}
    errors: dict[str, Failure] = {}
    for text in texts:
        try:
            symbols[parse_symbol(text, start=first, end=last)] = None
        except BadParameter as error:
            errors[text] = Failure(code=error.code, message=error.message)
    if not symbols:
        message = "; ".join(failure.message for failure in list(errors.values())[:3])
        raise BadParameter(message, details={"parameter": "symbols"})
    return Batch(tuple(symbols), errors)


def single(texts: Sequence[str]) -> str:
    """The one entry of a parameter that takes a single symbol."""
    if len(texts) != 1:
        raise BadParameter(
            f"symbol takes one symbol here, not {len(texts)}", details={"parameter": "symbol"}
        )
    return texts[0]


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
