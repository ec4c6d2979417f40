"""The page about hooks, base classes and records, derived from the code."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

import argus_core
from argus_core import hookspecs
from argus_core.extend.source import Source
from argus_core.model.frames import BARS, FACTORS, TICKS, Column
from argus_core.plugins import KINDS, installed

RECORDS = (
    *("Quote", "Depth", "Level", "Trade", "Gap", "Instrument", "TradingDays"),
    *("QuotesQuery", "DepthQuery", "BarsQuery", "FactorsQuery", "InstrumentsQuery"),
    *("ListingsQuery", "CalendarQuery", "SectorsQuery", "TicksQuery", "MainContractsQuery"),
    *("ChartPanelsQuery", "Units", "Session", "Alert", "Presented", "Principal", "CacheStats"),
)
FUNCTIONS = ("parse_symbol", "kind_of", "session_dates", "sessions_of")


def hooks() -> Iterator[str]:
    """The hook reference."""
    yield from (
        "# Hooks and base classes",
        "",
        "A plugin is a module with an entry point in the group `argus`. It registers one class per",
        "hook; hooks are called once, at start-up. Import from `argus_core` only.",
        "",
    )
    for kind, base in KINDS.items():
        yield from _hook(kind, base)
    for title, schema in (("BARS", BARS), ("TICKS", TICKS), ("FACTORS", FACTORS)):
        yield from _schema(title, schema)
    yield "## Records and queries"
    yield ""
    yield "All are frozen and take keyword arguments only, but `Level(price, volume)`."
    yield ""
    for name in RECORDS:
        yield from _fields(getattr(argus_core, name))
    yield from ("## Jobs, and functions", "", "### class Jobs, a source's `self.jobs`", "")
    yield from (_prose(argus_core.Jobs.__doc__), "")
    yield from _members(argus_core.Jobs)
    for name in FUNCTIONS:
        function = getattr(argus_core, name)
        yield f"### {name}{_signature(function)}"
        yield ""
        yield _prose(function.__doc__)
        yield ""


def _hook(kind: str, base: type) -> Iterator[str]:
    """One hook: what it registers, how, who uses it, and the base class."""
    hook = getattr(hookspecs, f"register_{kind}")
    yield f"## register_{kind}() -> type[{base.__name__}]"
    yield ""
    yield _prose(hook.__doc__)
    yield ""
    yield "```python"
    yield f"from argus_core import {base.__name__}, hookimpl"
    yield ""
    yield ""
    yield f"class Mine({base.__name__}): ..."
    yield ""
    yield ""
    yield "@hookimpl"
    yield f"def register_{kind}():"
    yield "    return Mine"
    yield "```"
    yield ""
    users = ", ".join(f"`{name}`" for name in _users(kind)) or "none yet"
    yield f"Built-in plugins that use it: {users}."
    yield ""
    yield f"### class {base.__name__}"
    yield ""
    yield _prose(base.__doc__)
    yield ""
    yield from _members(base)


def _fields(record: type) -> Iterator[str]:
    """One record or query: what it is and its fields."""
    yield f"### {record.__name__}"
    yield ""
    yield _prose(record.__doc__)
    yield ""
    yield "| field | type | default |"
    yield "|---|---|---|"
    for field in dataclasses.fields(record):
        default = "required" if field.default is dataclasses.MISSING else f"`{field.default!r}`"
        shown = str(field.type).replace("|", "or")
        yield f"| `{field.name}` | {shown} | {default} |"
    yield ""


def _users(kind: str) -> list[str]:
    return [p.name for p in installed() if kind in p.kinds and p.distribution == "argus-marketdata"]


def _members(base: type) -> Iterator[str]:
    facts = dict(_facts(base)) if base is Source else {}
    if facts:
        yield "Facts about the vendor, as class attributes:"
        yield ""
        yield "| attribute | default | meaning |"
        yield "|---|---|---|"
        for name, about in facts.items():
            yield f"| `{name}` | {_fact(getattr(base, name))} | {_prose(about)} |"
        yield ""
    for name, member in vars(base).items():
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        prefix = "async " if inspect.iscoroutinefunction(member) else ""
        yield f"#### {prefix}{name}{_signature(member)}"
        yield ""
        yield _prose(member.__doc__)
        yield ""


def _facts(base: type) -> Iterator[tuple[str, str]]:
    """Attribute docstrings, which Python itself does not keep."""
    pattern = re.compile(r'^    (\w+): [^\n]+ = [^\n]+\n    """(.+?)"""', re.MULTILINE | re.DOTALL)
    for name, about in pattern.findall(inspect.getsource(base)):
        yield name, " ".join(about.split())


def _fact(value: Any) -> str:
    if isinstance(value, frozenset):
        members = sorted(str(item) for item in value)
        return ", ".join(members) if len(members) < 4 else "all"  # noqa: PLR2004
    if isinstance(value, tuple):
        return "shares and yuan"
    return f"`{value!r}`"


def _signature(member: Any) -> str:
    signature = str(inspect.signature(member)).replace("self, ", "").replace("(self)", "()")
    return re.sub(r"'", "", signature)


def _prose(doc: str | None) -> str:
    text = inspect.cleandoc(doc or "")
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def _schema(title: str, schema: tuple[Column, ...]) -> Iterator[str]:
    yield f"## Schema {title}"
    yield ""
    yield "| column | type | unit | required | |"
    yield "|---|---|---|---|---|"
    for column in schema:
        need = "yes" if column.required else ""
        yield f"| `{column.name}` | {column.type} | {column.unit} | {need} | {column.about} |"
    yield ""
