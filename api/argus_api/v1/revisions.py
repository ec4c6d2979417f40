"""``/api/v1/quality/revisions``: what sources corrected after a day was sealed."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME, reads_data
from argus_api.envelope import JSON, encoded
from argus_api.openapi import plain_responses
from argus_api.params import MAX_STALENESS, USE_CACHE
from argus_api.query import BadValueError, Param, Params, quoted
from argus_api.reading import read_moment, read_text
from argus_api.terms import OTHER_SECONDS, ask_of, gateway_of, today_of
from argus_api.wire import instant
from argus_core import SHANGHAI, parse_symbol
from argus_core.history.archive import Mark, Revision

router = APIRouter(prefix="/api/v1/quality", tags=["system"])

MOST, USUAL = 1000, 100


class RevisionRow(BaseModel):
    """One value of a sealed row that its source says differently now."""

    source: str
    symbol: str
    dataset: str
    period: str | None = Field(description="Of bars; else null.")
    label: str = Field(description="The row: its trading date, within the day the bar's end.")
    field: str
    old: float | None
    new: float | None
    noticed_at: str
    kind: Literal["changed", "added", "removed"] = Field(
        description="`added` and `removed`: the whole row, one entry for each value of it."
    )


class RevisionsBody(BaseModel):
    """A page of late corrections, the newest first."""

    success: Literal[True]
    data: list[RevisionRow]
    archive: bool = Field(description="False where nothing is archived, so nothing can be noticed.")
    total_records: int = Field(description="How many there are on this page.")
    total_matching: int = Field(description="How many there are on this page and all others.")
    next_cursor: str | None = Field(
        description="The `cursor` of the next page; null where nothing comes after this one."
    )
    timestamp: str


def _read_limit(text: str) -> int:
    # int() would also take blanks, signs, underscores and other scripts' digits.
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < len("10000") else 0
    if not 1 <= limit <= MOST:
        raise BadValueError(f"must be a whole number from 1 to {MOST}, not {quoted(text)}")
    return limit


def _read_cursor(text: str) -> Mark:
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise BadValueError(f"must be the next_cursor of an answer, not {quoted(text)}")
    number, noticed_at = found.groups()
    return float(noticed_at), int(number)


def _cursor(last: Mark | None) -> str | None:
    # repr() tells a float exactly, so that the page begins behind this very row.
    return None if last is None else f"{last[1]}-{last[0]!r}"


_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,12}\.[0-9]{1,9})")
_TEXT = {"type": "string", "minLength": 1}
SYMBOL: Param[str | None] = Param(
    name="symbol",
    parse=read_text,
    about="Only those of this symbol, in any usual spelling.",
    schema=_TEXT,
    example="600519.SH",
)
SOURCE: Param[str | None] = Param(
    name="source",
    parse=read_text,
    about="Only those of this source, by its name in the configuration.",
    schema=_TEXT,
)
SINCE: Param[date | None] = Param(
    name="since",
    parse=read_moment,
    about="Only those noticed from this date (YYYY-MM-DD or YYYYMMDD) or ISO 8601 instant on.",
    schema=_TEXT,
    example="2024-01-31",
)
LIMIT: Param[int] = Param(
    name="limit",
    parse=_read_limit,
    default=USUAL,
    about="The most entries of one page.",
    schema={"type": "integer", "minimum": 1, "maximum": MOST},
)

CURSOR: Param[Mark | None] = Param(
    name="cursor",
    parse=_read_cursor,
    about="Only what comes after the page whose `next_cursor` this is; the rest asked as there.",
    schema=_TEXT,
)

_PARAMS = Params(SYMBOL, SOURCE, SINCE, LIMIT, CURSOR)
_DEFAULT_TERMS = Params(USE_CACHE, MAX_STALENESS)


@router.get(
    "/revisions",
    summary="Late corrections by sources",
    responses=plain_responses(RevisionsBody, 500),
    dependencies=[Depends(reads_data)],
    openapi_extra={"parameters": _PARAMS.openapi(), "security": EITHER_SCHEME},
)
async def revisions(request: Request) -> Response:
    """What sources said differently of sealed days when they were asked again.

    Pages hold each entry once, though new ones be noticed between them: ask for the next one with
    the `next_cursor` of the one before. The list is empty, and `archive` false, where no archive is
    configured.
    """
    asked = _PARAMS.read(request.query_params.multi_items())
    today, text, since = today_of(request), asked[SYMBOL], asked[SINCE]
    found = await gateway_of(request).quality.revisions(
        ask_of(request, _DEFAULT_TERMS.read(()), OTHER_SECONDS),
        symbol=None if text is None else parse_symbol(text, start=today, end=today),
        source=asked[SOURCE],
        since=None if since is None else _instant_of(since),
        limit=asked[LIMIT],
        after=asked[CURSOR],
    )
    page = found.page
    now = gateway_of(request).clock.now().replace(microsecond=0)
    body = {
        "success": True,
        "data": [_row(revision) for revision in page.rows],
        "archive": found.archive,
        "total_records": len(page.rows),
        "total_matching": page.total,
        "next_cursor": _cursor(page.last),
        "timestamp": instant(now),
    }
    return Response(encoded(body), headers={"Cache-Control": "no-store"}, media_type=JSON)


def _instant_of(since: date) -> datetime:
    return since if isinstance(since, datetime) else datetime.combine(since, time(), SHANGHAI)


def _row(revision: Revision) -> dict[str, Any]:
    label = revision.label
    return {
        "source": revision.source,
        "symbol": revision.symbol,
        "dataset": revision.dataset,
        "period": revision.period or None,
        "label": instant(label) if isinstance(label, datetime) else label.isoformat(),
        "field": revision.field,
        "old": revision.old,
        "new": revision.new,
        "noticed_at": instant(revision.noticed_at),
        "kind": revision.kind,
    }
