"""``/api/v1/datasets/{dataset}``: raw values with their origins, for another gateway.

Other paths answer people; this one answers an Argus that has this one as its source. Values are
those that the archive, the caches and the sources hold, neither adjusted nor resampled, and each
key says where its value comes from and how old it is by this machine's clock, so that machines
whose clocks differ agree on ages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import reads_data
from argus_api.envelope import JSON
from argus_api.openapi import ASKING, FORWARDING, forwarded, plain_responses
from argus_api.params import MAX_STALENESS, USE_CACHE
from argus_api.provenance import headers_of
from argus_api.query import Params, Values
from argus_api.terms import (
    HISTORY_SECONDS,
    LATEST_SECONDS,
    OTHER_SECONDS,
    ask_of,
    gateway_of,
)
from argus_api.v1.dataset_schemas import read_question, schemas
from argus_core import BadParameter
from argus_core.errors import GatewayError, Overloaded
from argus_core.gateway import Gateway
from argus_core.model.answer import Answer, Attempt, Origin, Provenance, Trace
from argus_core.model.codec import FRAMES, RECORDS
from argus_core.model.query import Query
from argus_core.model.told import Told, ToldForm, Unanswered, told_frames, told_records

FRAMES_TYPE = "application/vnd.argus.frames"
"""One line of JSON, then an Arrow IPC stream."""
MOST_STEPS = 50
LONGEST_VIA = 1024

router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"], dependencies=[Depends(reads_data)])

_NONE = Params()
_SECONDS: Mapping[str, float] = {
    "quotes": LATEST_SECONDS,
    "depth": LATEST_SECONDS,
    "bars": HISTORY_SECONDS,
    "ticks": HISTORY_SECONDS,
}
_UNHEARD = Unanswered(
    code=GatewayError.code,
    message="the sources that answered do not have it, and others could not be heard",
)


@router.post(
    "/{dataset}",  # noqa: FAST003 - declaring it would bring FastAPI's own 422
    summary="Raw values for another gateway",
    responses=plain_responses(ToldForm, *ASKING, *FORWARDING, media_types=(FRAMES_TYPE,)),
    openapi_extra=forwarded(schemas()),
)
async def told_dataset(request: Request) -> Response:
    """Raw values of one dataset, each with its origin; bars, factors and ticks as Arrow.

    The body holds the dataset's own fields and the terms `use_cache`, `max_staleness` and
    `compress`. It is a POST because a thousand symbols fit no URL; nothing is changed by it. With
    `Cache-Control: no-cache`, quotes and books of a market that moves come from a cache only where
    no source can be heard, and are flagged.
    """
    _NONE.read(request.query_params.multi_items())
    dataset = str(request.path_params["dataset"])
    question = read_question(dataset, await request.body())
    failures: dict[str, Unanswered] = {}
    query = question.query(failures)
    terms = {USE_CACHE.name: question.use_cache, MAX_STALENESS.name: question.max_staleness}
    ask = ask_of(request, Values(terms, ()), _SECONDS.get(dataset, OTHER_SECONDS))
    ask = replace(ask, anew="no-cache" in request.headers.get("Cache-Control", "").lower())
    gateway = gateway_of(request)
    try:
        answer = await gateway.raw(query, ask, _via(request))
    except Overloaded:
        raise
    except GatewayError as error:
        # Who asks must know this from a gateway that cannot answer: it was the sources' fault.
        error.details = {**(error.details or {}), "sources": "failed"}
        raise
    told = told_of(query, answer, failures, gateway)
    if dataset in RECORDS:
        body = told_records(dataset, told)
    else:
        body = await asyncio.to_thread(told_frames, told, answer.data, packed=question.compress)
    now, caching = gateway.clock.now(), bool(gateway.config.caches)
    headers = headers_of(answer, ask, now, caching=caching)
    headers |= {"Cache-Control": "no-store", "X-Argus-Gateway": gateway.id}
    media = FRAMES_TYPE if dataset in FRAMES else JSON
    return Response(body, media_type=media, headers=headers)


def told_of(
    query: Query, answer: Answer[Any], failures: Mapping[str, Unanswered], gateway: Gateway
) -> Told:
    """What the asking gateway is told of ``answer``; frames go beside it."""
    now = gateway.clock.now()
    lost = dict(failures)
    for key, failure in answer.errors.items():
        lost[key] = Unanswered(code=failure.code, message=failure.message)
    origins: dict[str, Origin] = {}
    for key, provenance in {**answer.absent, **answer.provenance}.items():
        if key in answer.unsure:
            lost[key] = _UNHEARD
        age = max(0.0, (now - provenance.fetched_at).total_seconds())
        origins[key] = _origin(provenance, age, gateway.config.inner)
    return Told(
        now=now,
        values=answer.data if query.dataset in RECORDS else {},
        origins=origins,
        failures=lost,
        steps=tuple(_steps(answer))[:MOST_STEPS],
    )


def _origin(provenance: Provenance, age: float, inner: Collection[str]) -> Origin:
    names = (provenance.source, *provenance.path)
    return Origin(
        path=names[1:] if names[0] in inner and len(names) > 1 else names,
        age=age,
        stale=provenance.stale,
        reason=provenance.reason,
        simulated=provenance.simulated,
        resolution=provenance.resolution,
        replay=provenance.replay,
    )


def _steps(answer: Answer[Any]) -> list[str]:
    """How the answer was found, a sentence each."""
    return [step for trace in answer.traces for step in _of_trace(trace)]


def _of_trace(trace: Trace) -> list[str]:
    skipped = [f"passed over {skip.source}: {skip.reason}" for skip in trace.skipped]
    return [*skipped, *map(_attempt, trace.attempts), *trace.steps]


def _attempt(attempt: Attempt) -> str:
    text = f"{attempt.source} answered {attempt.answered} of {attempt.asked} in {attempt.ms:.1f} ms"
    return f"{text}: {attempt.error}, {attempt.reason}" if attempt.error else text


def _via(request: Request) -> tuple[str, ...]:
    """The ids of the gateways through which the question has come."""
    text = request.headers.get("x-argus-via", "")
    ids = tuple(part.strip() for part in text.split(",") if part.strip())
    if len(text) > LONGEST_VIA or not all(part.isascii() and part.isalnum() for part in ids):
        raise BadParameter(
            "X-Argus-Via holds the ids of gateways, separated by commas",
            details={"parameter": "X-Argus-Via"},
        )
    return ids
