"""``/api/v1/cache``: what the caches hold, clearing them, fitting them to what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast, get_args

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME, operates
from argus_api.envelope import JSON, encoded
from argus_api.openapi import plain_responses
from argus_api.passing import ALONE
from argus_api.query import BadValueError, Param, Params, quoted
from argus_api.terms import gateway_of
from argus_api.v1 import cache_words as words
from argus_api.v1.cache_schemas import CacheBody, CacheConfigBody, ClearedBody, OptimizedBody
from argus_api.wire import count, instant
from argus_core import BadParameter
from argus_core.caching.figures import CacheType, ClearedFigures, cleared

router = APIRouter(prefix="/api/v1/cache", tags=["cache"], dependencies=[Depends(operates)])

TYPES: tuple[str, ...] = get_args(CacheType)
LEVELS = ("L1", "L2", "L3")

_WHERE = "this process, until it ends; write into plugins.toml what shall stay"


def _word_of(allowed: tuple[str, ...]) -> Any:
    def read(text: str) -> str:
        if text in allowed:
            return text
        raise BadValueError(
            f"must be one of {', '.join(allowed)}, not {quoted(text)}", allowed=allowed
        )

    return read


CACHE_TYPE: Param[str] = Param(
    name="cache_type",
    parse=_word_of(TYPES),
    default="all",
    about=(
        "What to clear: `market_data` quotes and books, `history_data` bars, ticks and factors, "
        "`basic_info` instruments, calendars and sectors."
    ),
    schema={"type": "string", "enum": list(TYPES)},
)
LEVEL: Param[str | None] = Param(
    name="level",
    parse=_word_of(LEVELS),
    about="The only level to clear, which must be configured; all of them if absent.",
    schema={"type": "string", "enum": list(LEVELS)},
)

_NONE = Params()
_CLEAR = Params(CACHE_TYPE, LEVEL)
_LOCKED = {"security": EITHER_SCHEME}


@router.get(
    "/stats",
    summary="Cache statistics",
    responses=plain_responses(CacheBody),
    openapi_extra=_LOCKED,
)
async def stats(request: Request) -> Response:
    """What each level holds and how often it knew the answer; scope `manage`.

    Rates are null before anything was asked, sizes are null where a level cannot know them.
    """
    _NONE.read(request.query_params.multi_items())
    figures = await gateway_of(request).cache.stats()
    return _answered(request, {"data": figures})


@router.get(
    "/config",
    summary="Cache rules",
    responses=plain_responses(CacheConfigBody),
    openapi_extra=_LOCKED,
)
async def config(request: Request) -> Response:
    """The cache rules in force, what the market's clock makes of them now, and the tiers."""
    _NONE.read(request.query_params.multi_items())
    settings = asdict(gateway_of(request).cache.config())
    rules = {name: _plain(rule) for name, rule in settings["cache_rules"].items()}
    return _answered(request, {"data": {**settings, "cache_rules": rules}})


@router.delete(
    "/clear",
    summary="Clear caches",
    responses=plain_responses(ClearedBody, 500),
    openapi_extra={"parameters": _CLEAR.openapi(), **_LOCKED},
)
async def clear(request: Request) -> Response:
    """Remove what the caches hold of a type, on one level or all; scope `manage`.

    The archive of sealed bars is no cache and stays as it is. Other processes that share a level
    clear their own; `untold` says why they could not be told yet. 500 `CACHE_ERROR` if the named
    level, or every level, cannot be cleared.
    """
    asked = _CLEAR.read(request.query_params.multi_items())
    await _without_body(request)
    cache_type = cast("CacheType", asked[CACHE_TYPE])
    gone = await _cleared(request, cache_type, asked[LEVEL])
    body = {
        "message": words.cleared(cache_type, gone),
        "cleared_keys": gone.cleared_keys,
        "freed_memory_mb": gone.freed_memory_mb,
        "complete": not gone.failed and not gone.untold,
        "levels": gone.levels,
        "untold": gone.untold,
    }
    return _answered(request, body)


async def _cleared(request: Request, cache_type: CacheType, level: str | None) -> ClearedFigures:
    """What went; nothing where one of several processes is asked for a level of its agent's."""
    cache = gateway_of(request).cache
    if ALONE in request.scope and level not in (None, *(t.level for t in cache.config().tiers)):
        return cleared((), {})
    return await cache.clear(cache_type, level)


async def _without_body(request: Request) -> None:
    """Raise :class:`BadParameter` for a body: what it narrows down would be done to everything."""
    if await request.body():
        raise BadParameter("this takes no body; what it takes stands in the query")


@router.post(
    "/optimize",
    summary="Fit the cache rules to what is asked",
    responses=plain_responses(OptimizedBody),
    openapi_extra=_LOCKED,
)
async def optimize(request: Request) -> Response:
    """Adjust lives and sizes to the recent questions, and say what changed; scope `manage`.

    The effect is estimated: the questions are replayed under the old and the new rules.
    """
    _NONE.read(request.query_params.multi_items())
    await _without_body(request)
    done = await gateway_of(request).cache.optimise()
    body = {
        "message": words.optimised(done),
        "optimizations": words.deeds(done),
        "performance_improvement": {
            "hit_rate_before": done.before,
            "hit_rate_after": done.after,
            "memory_saved_mb": done.purged.freed_memory_mb,
            "estimated": True,
            "measured_hit_rate": done.measured,
            "reason": done.reason,
        },
        "changes": [_plain(asdict(change)) for change in done.changes],
        "purged": done.purged.levels,
        "observed": {"keys": done.asked, "seconds": done.seconds},
        "where": _WHERE,
    }
    return _answered(request, body)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose whole numbers have no fraction."""
    return {
        key: _plain(cast("Mapping[str, Any]", value))
        if isinstance(value, dict)
        else count(value)
        if isinstance(value, float)
        else value
        for key, value in row.items()
    }


def _answered(request: Request, body: Mapping[str, Any]) -> Response:
    now = gateway_of(request).clock.now().replace(microsecond=0)
    whole = {"success": True, **body, "timestamp": instant(now)}
    return Response(encoded(whole), headers={"Cache-Control": "no-store"}, media_type=JSON)
