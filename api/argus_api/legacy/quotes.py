"""``/latest_market``, ``/full_market`` and ``/create_chart_panel``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import cast

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME
from argus_api.envelope import Reply, encoded
from argus_api.errors import raise_for
from argus_api.legacy import rows
from argus_api.legacy.schemas import LegacyFull, LegacyPanel, LegacyQuotes
from argus_api.openapi import ASKING, documented, responses
from argus_api.params import DEPTH, FIELDS, MAX_STALENESS, SYMBOL, SYMBOLS, USE_CACHE
from argus_api.provenance import failures
from argus_api.query import Params, quoted
from argus_api.terms import (
    LATEST_CAP,
    LATEST_SECONDS,
    OTHER_SECONDS,
    ask_of,
    batch_of,
    gateway_of,
    picked,
    symbol_of,
    today_of,
)
from argus_api.wire import only
from argus_core import BadParameter, Period, parse_symbol
from argus_core.errors import MissingParameter, TooLarge

router = APIRouter()

_LARGEST_BODY = 65_536
_SPELLINGS = MappingProxyType({"symbol": "symbols", "frequency": "period"})

_LATEST = Params(SYMBOLS, USE_CACHE, MAX_STALENESS)
_PANEL = Params(USE_CACHE, MAX_STALENESS)
_FULL = Params(SYMBOL, FIELDS, DEPTH, USE_CACHE, MAX_STALENESS)


@router.get(
    "/latest_market",
    summary="Latest quotes",
    responses=responses(LegacyQuotes, *ASKING),
    openapi_extra=documented(_LATEST),
)
async def latest_market(request: Request) -> Response:
    """The latest quote of up to 1 000 symbols."""
    asked = _LATEST.read(request.query_params.multi_items())
    today = today_of(request)
    batch = batch_of(asked, LATEST_CAP, today, today)
    ask = ask_of(request, asked, LATEST_SECONDS)
    answer = await gateway_of(request).quotes(batch.symbols, ask)
    reply = Reply(request=request, ask=ask, answer=answer, errors=batch.errors).checked()
    body: dict[str, object] = {"data": [rows.quote(value) for value in answer.data.values()]}
    if lost := reply.failures:
        body["errors"] = failures(lost)
    return reply.plain(encoded(body))


@router.get(
    "/full_market",
    summary="Quote with order book and trades",
    responses=responses(LegacyFull, *ASKING),
    openapi_extra=documented(_FULL),
)
async def full_market(request: Request) -> Response:
    """Quote, order book and recent trades of one symbol; ``fields`` picks entries or groups."""
    asked = _FULL.read(request.query_params.multi_items())
    names = _wanted(asked[FIELDS])
    today = today_of(request)
    symbol = symbol_of(asked, today, today)
    ask = ask_of(request, asked, LATEST_SECONDS)
    answer = await gateway_of(request).depth((symbol,), asked[DEPTH], ask)
    raise_for(answer.errors)
    reply = Reply(request=request, ask=ask, answer=answer)
    return reply.plain(encoded(only(rows.full(answer.data[symbol]), names)))


def _wanted(fields: Sequence[str] | None) -> tuple[str, ...]:
    """The entries that ``fields`` picks; the symbol always, for the body has no other key."""
    if fields is None:
        return rows.FULL_FIELDS
    names = picked(fields, (*rows.GROUPS, *(n for n in rows.FULL_FIELDS if n not in rows.GROUPS)))
    chosen = {"symbol"}.union(*(rows.GROUPS.get(name, (name,)) for name in names))
    return tuple(name for name in rows.FULL_FIELDS if name in chosen)


class PanelAsked(BaseModel):
    """A panel of charts: 1 to 16 symbols, one period for all."""

    model_config = ConfigDict(extra="forbid")

    symbols: list[str] = Field(min_length=1, max_length=16, examples=[["600519.SH"]])
    period: str = Field("1d", examples=["1d"])

    @model_validator(mode="before")
    @classmethod
    def _either_spelling(cls, body: object) -> object:
        """The body in the spelling of the fields; two that disagree are refused."""
        if not isinstance(body, dict):
            return body
        given = cast("dict[str, object]", body)
        named: dict[str, object] = {}
        for name, value in given.items():
            known = _SPELLINGS.get(name, name)
            if name == "symbol" and isinstance(value, str):
                value = [value]  # noqa: PLW2901 - one symbol is a list of one
            if named.setdefault(known, value) != value:
                raise ValueError(f"{known} is given twice, and differently")
        return named


@router.post(
    "/create_chart_panel",
    summary="A panel of charts on the screen of a vendor's client",
    responses=responses(LegacyPanel, *ASKING),
    openapi_extra={
        "security": EITHER_SCHEME,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": PanelAsked.model_json_schema()}},
        },
    },
)
async def create_chart_panel(request: Request) -> Response:
    """Draw a chart of each symbol; 501 where no configured source has a client screen."""
    body = await request.body()
    if len(body) > _LARGEST_BODY:
        raise TooLarge(f"the body holds {len(body)} bytes; at most {_LARGEST_BODY} are read")
    try:
        asked = PanelAsked.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "the body"
        refusal = MissingParameter if first["type"] == "missing" else BadParameter
        raise refusal(
            f'{name}: {first["msg"]}; send {{"symbols": ["600519.SH"], "period": "1d"}}',
            details={"parameter": name},
        ) from None
    try:
        period = Period(asked.period)
    except ValueError:
        allowed = [str(period) for period in Period]
        raise BadParameter(
            f"period must be one of {', '.join(allowed)}, not {quoted(asked.period)}",
            details={"parameter": "period", "allowed": allowed},
        ) from None
    today = today_of(request)
    symbols = tuple(parse_symbol(text, start=today, end=today) for text in asked.symbols)
    ask = replace(
        ask_of(request, _PANEL.read(request.query_params.multi_items()), OTHER_SECONDS),
        use_cache=False,
    )
    answer = await gateway_of(request).chart_panel(symbols, period, ask)
    reply = Reply(request=request, ask=ask, answer=answer)
    return reply.plain(encoded({"panel": next(iter(answer.data.values()))}))
