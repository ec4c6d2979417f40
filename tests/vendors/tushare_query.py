"""One call against the tables, with the manners that are known of the vendor's server."""

from __future__ import annotations

from vendors.tushare_rows import BASE_FIELDS, Table

NO_INTERFACE = (50101, "请指定正确的接口名")
MISSING = -2001


class Refusal(Exception):
    """A refusal in the vendor's envelope."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def select(
    tables: dict[str, Table],
    api_name: str,
    params: dict,
    fields: str,
    caps: dict[str, int],
) -> dict:
    """The ``data`` part: newest first (calendars oldest first), cut at the cap without a word."""
    table = tables.get(api_name)
    if table is None:
        raise Refusal(*NO_INTERFACE)
    absent = [name for name in table.required if not params.get(name)]
    if absent:
        raise Refusal(MISSING, f"必填参数,{absent[0]}")
    found = [row for row in table.rows if _matches(row, table, api_name, params)]
    if table.when:
        found.sort(key=lambda row: row[table.when], reverse=not table.ascending)
    offset, limit = int(params.get("offset") or 0), int(params.get("limit") or 0)
    cap = caps.get(api_name, table.cap)
    size = min(limit or len(found), cap or len(found))
    page = found[offset : offset + size]
    names = [name.strip() for name in fields.split(",") if name.strip()]
    known = table.columns
    names = [name for name in names if name in known] or BASE_FIELDS.get(
        api_name, " ".join(known)
    ).split()
    return {
        "fields": names,
        "items": [[row.get(name) for name in names] for row in page],
        # Told only to those who page: a page cut at the cap looks like any other.
        "has_more": bool(limit) and offset + len(page) < len(found),
        "count": -1,
    }


def _matches(row: dict, table: Table, api_name: str, params: dict) -> bool:
    code = params.get("ts_code" if table.by == "code" else table.by)
    if table.by == "exchange":
        code = code or "SSE"
    if code and not _is_code(row[table.by], str(code), table):
        return False
    if api_name == "stock_basic" and row["list_status"] != (params.get("list_status") or "L"):
        return False
    for name in table.matches:
        if params.get(name) and str(row.get(name)) != str(params[name]):
            return False
    when = table.when
    if when is None:
        return True
    if params.get(when) and row[when] != params[when]:
        return False
    # Texts are compared, so a bound without a time drops that day's minutes.
    return not (
        (params.get("start_date") and row[when] < params["start_date"])
        or (params.get("end_date") and row[when] > params["end_date"])
    )


def _is_code(own: str, asked: str, table: Table) -> bool:
    if not table.many:
        return own == asked
    for part in asked.split(","):
        head, star, tail = part.partition("*")
        if own == part or (star and own.startswith(head) and own.endswith(tail)):
            return True
    return False
