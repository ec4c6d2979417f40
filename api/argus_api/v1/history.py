"""``/history``: bars of any period, adjusted or not, in any format."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from argus_api import frames
from argus_api.envelope import Reply
from argus_api.formats import MEDIA_TYPES, history_response, wanted
from argus_api.openapi import ASKING, documented, responses
from argus_api.params import (
    ADJUST,
    ADJUST_BASE,
    END,
    EXPLAIN,
    FIELDS,
    FORMAT,
    MAX_STALENESS,
    PERIOD,
    START,
    SYMBOLS,
    USE_CACHE,
)
from argus_api.query import Params, Values
from argus_api.schemas import HistoryBody
from argus_api.terms import (
    HISTORY_CAP,
    HISTORY_SECONDS,
    ask_of,
    base_of,
    batch_of,
    gateway_of,
    picked,
    span_of,
)
from argus_core import Adjust
from argus_core.model.answer import Answer
from argus_core.model.query import HistoryQuery

router = APIRouter()

_HISTORY = Params(
    SYMBOLS,
    START,
    END,
    PERIOD,
    ADJUST,
    ADJUST_BASE,
    FIELDS,
    FORMAT,
    USE_CACHE,
    MAX_STALENESS,
    EXPLAIN,
)
_TABLES = tuple(media for name, media in MEDIA_TYPES.items() if name != "json")


@router.get(
    "/history",
    summary="Bars of a range",
    responses=responses(HistoryBody, 406, *ASKING, media_types=_TABLES),
    openapi_extra=documented(_HISTORY),
)
async def history(request: Request) -> Response:
    """Bars of up to 100 symbols, both ends of the range included."""
    asked = _HISTORY.read(request.query_params.multi_items())
    form = wanted(request, asked[FORMAT])
    fields = picked(asked[FIELDS], frames.FIELDS)
    start, end = span_of(asked[START], asked[END], asked[PERIOD])
    batch = batch_of(asked, HISTORY_CAP, start, end)
    query = HistoryQuery(
        symbols=batch.symbols,
        period=asked[PERIOD],
        start=start,
        end=end,
        adjust=asked[ADJUST],
        adjust_base=base_of(request, asked),
    )
    ask = ask_of(request, asked, HISTORY_SECONDS)
    answer = await gateway_of(request).history(query, ask)
    reply = Reply(request=request, ask=ask, answer=answer, errors=batch.errors).checked()
    return await history_response(
        form,
        reply,
        {key: frames.columns_of(frame, fields) for key, frame in answer.data.items()},
        period=asked[PERIOD].value,
        meta=_adjustment(asked, answer),
        explain=asked[EXPLAIN],
    )


def _adjustment(asked: Values, answer: Answer[Any]) -> dict[str, Any]:
    """How prices were adjusted, and for each symbol the date whose price is as traded."""
    if asked[ADJUST] is Adjust.NONE:
        return {"adjust": {"method": Adjust.NONE.value}}
    base = {str(symbol): day.isoformat() for symbol, day in answer.adjust_base.items()}
    return {"adjust": {"method": asked[ADJUST].value, "base": base}}
