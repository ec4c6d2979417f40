"""The body of an answer, taken apart without trusting it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from argus_core import BadData, Clock
from argus_tushare.refusals import refusal


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one answer, in the vendor's order, columns named by ``fields``.

    ``has_more`` is the vendor's own word that rows were left out; its silence means nothing.
    """

    fields: tuple[str, ...]
    items: list[list[Any]]
    has_more: bool = False

    def __len__(self) -> int:
        return len(self.items)

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """One mapping a row, from field to value."""
        for item in self.items:
            yield dict(zip(self.fields, item, strict=True))


def read_answer(api_name: str, body: bytes, clock: Clock) -> Table:
    """The table inside ``body``.

    Raises what the vendor's refusal means, and :class:`BadData` for anything that is not an
    answer: text that is no JSON, cut JSON, missing parts, rows of another width than the header.
    """
    try:
        # NaN and Infinity are no JSON, but Python servers write them: they mean "missing".
        answer: object = json.loads(body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        # Without the original error: its `doc` attribute holds all the text.
        raise BadData(f"tushare answers {api_name} with text that is no JSON") from None
    envelope = _mapping(answer, api_name)
    code = envelope.get("code")
    if isinstance(code, bool) or not isinstance(code, int):
        raise BadData(f"tushare answers {api_name} without a code")
    if code != 0:
        raise refusal(api_name, code, str(envelope.get("msg") or ""), clock)
    return _table(api_name, _mapping(envelope.get("data"), api_name))


def _table(api_name: str, data: Mapping[str, object]) -> Table:
    fields, items = data.get("fields"), data.get("items")
    if not isinstance(fields, list) or not isinstance(items, list):
        raise BadData(f"tushare answers {api_name} without a header or without rows")
    names = tuple(str(field) for field in cast("list[object]", fields))
    if not names or len(set(names)) != len(names):
        raise BadData(f"tushare answers {api_name} with a header that names no columns")
    rows = cast("list[object]", items)
    width = len(names)
    if any(not isinstance(row, list) or len(cast("list[object]", row)) != width for row in rows):
        raise BadData(f"tushare answers {api_name} with rows that do not fit their header")
    return Table(names, cast("list[list[Any]]", rows), has_more=data.get("has_more") is True)


def _mapping(value: object, api_name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadData(f"tushare answers {api_name} with JSON that is no answer")
    return cast("Mapping[str, object]", value)
