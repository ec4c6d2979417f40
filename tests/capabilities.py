"""What each source really gives, asked of it: writes docs/extend/capabilities.md.

``python tests/capabilities.py`` asks every built-in source for every dataset and kind of
instrument, the vendors' real packages over their stand-ins, and writes down what came.
``--check`` fails if the page says anything else.
"""

import asyncio
import os
import sys
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "vendors" / "xtquant_site"), str(ROOT / "tests")]

import polars as pl  # noqa: E402
from conftest import DEFAULT_DATA  # noqa: E402
from support.vendors import SECRETS, vendor  # noqa: E402
from vendors import rqdata_rows, xtquant_rows  # noqa: E402

from argus_core import Adjust, Exchange, Kind, Period, Symbol  # noqa: E402
from argus_core.clock import Clock  # noqa: E402
from argus_core.config import Config  # noqa: E402
from argus_core.errors import ArgusError, NotReady  # noqa: E402
from argus_core.extend.source import DATASETS  # noqa: E402
from argus_core.gateway import Gateway  # noqa: E402
from argus_core.model.answer import Answer  # noqa: E402
from argus_core.model.ask import Ask, Deadline  # noqa: E402
from argus_core.model.query import FactorsQuery, HistoryQuery, ListingsQuery  # noqa: E402

PAGE = ROOT / "docs" / "extend" / "capabilities.md"
DATA = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
VENDORS = ("tushare", "xtquant", "rqdatac")
NOW = "2024-06-28T15:30:00"
PATIENCE = 60
SAMPLES = {
    Kind.STOCK: ("600519.SH", date(2020, 1, 2), date(2020, 3, 31)),
    Kind.INDEX: ("000300.SH", date(2024, 3, 1), date(2024, 4, 30)),
    Kind.FUND: ("510300.SH", date(2024, 3, 1), date(2024, 4, 30)),
    Kind.BOND: ("113050.SH", date(2024, 3, 1), date(2024, 4, 30)),
    Kind.FUTURE: ("rb2410.SHFE", date(2024, 3, 1), date(2024, 4, 30)),
    Kind.OPTION: ("10006000.SH", date(2024, 3, 1), date(2024, 4, 30)),
}
MINUTES = {
    Kind.STOCK: ("000001.SZ", date(2018, 1, 2), date(2018, 1, 3)),
    Kind.INDEX: ("000300.SH", date(2024, 1, 2), date(2024, 1, 3)),
    Kind.FUND: ("510300.SH", date(2024, 1, 2), date(2024, 1, 3)),
    Kind.FUTURE: ("rb2410.SHFE", date(2024, 1, 2), date(2024, 1, 3)),
}
# Recorded rows of the vendor itself, or of the same market days, prove the data; elsewhere only
# the vendor's documented rules were tested, over invented rows.
PROVED = {
    "tushare": {"stock bars 1d", "index bars 1d", "stock bars 1m", "stock quotes"},
    "xtquant": {"stock bars 1d", "stock bars 1m", "index bars 1d", "stock quotes", "stock depth"},
    "rqdatac": {"stock bars 1d", "stock bars 1m", "index bars 1d", "stock quotes", "stock depth"},
}
Asking = Callable[..., Awaitable[Answer[Any]]]
Seen = dict[tuple[str, str], set[str]]


def ask() -> Ask:
    """Terms with enough time for a slow machine, and no cache."""
    return Ask(deadline=Deadline.within(60, Clock()), use_cache=False)


def filled(value: Any) -> set[str]:
    """The fields of a value that hold something."""
    if isinstance(value, pl.DataFrame):
        return {name for name in value.columns if value[name].null_count() < value.height}
    if is_dataclass(value):
        found = set[str]()
        for field in fields(value):
            inner = getattr(value, field.name)
            if field.name == "quote":
                found |= filled(inner)
            elif inner not in (None, (), Kind.UNKNOWN):
                found.add(field.name)
        return found
    return {"value"}


async def patiently(asking: Asking, *question: Any) -> Answer[Any] | None:
    """The answer, also of a source that must first prepare it; None where there is none."""
    for _ in range(PATIENCE):
        try:
            return await asking(*question, ask())
        except NotReady:
            await asyncio.sleep(0.5)
        except ArgusError:
            return None
    return None


async def asked(gateway: Gateway) -> Seen:
    """The fields that came, by dataset and kind."""
    seen: Seen = {}

    async def note(what: str, about: str, asking: Asking, *question: Any) -> None:
        answer = await patiently(asking, *question)
        if answer is None:
            return
        for value in answer.data.values():
            items = value if isinstance(value, tuple) else (value,)
            for item in items[:200]:
                seen.setdefault((what, about), set()).update(filled(item))

    for kind, (text, start, end) in SAMPLES.items():
        symbol = (Symbol(text),)
        await note("quotes", kind, gateway.quotes, symbol)
        await note("depth", kind, gateway.depth, symbol, 5)
        await note("instruments", kind, gateway.instruments, symbol)
        query = HistoryQuery(
            symbols=symbol, period=Period.D1, start=start, end=end, adjust=Adjust.NONE
        )
        await note("bars 1d", kind, gateway.history, query)
        factors = FactorsQuery(symbols=symbol, start=start, end=end)
        await note("factors", kind, gateway.fetch, factors)
    for kind, (text, start, end) in MINUTES.items():
        query = HistoryQuery(symbols=(Symbol(text),), period=Period.M1, start=start, end=end)
        await note("bars 1m", kind, gateway.history, query)
    tick = (Symbol("600519.SH"),)
    day = date(2023, 2, 1)
    await note("ticks", Kind.STOCK, gateway.ticks, tick, day, day)
    main = (Symbol("rb88.SHFE"),)
    await note("main_contracts", Kind.FUTURE, gateway.main_contracts, main, day)
    for exchange in Exchange:
        listings = ListingsQuery(exchanges=(exchange,))
        await note("listings", exchange, gateway.fetch, listings)
    return seen


async def gathered() -> dict[str, tuple[Seen, Any]]:
    """What each source gave, and how it describes itself."""
    os.environ.update(SECRETS)
    found: dict[str, tuple[Seen, Any]] = {}
    with ExitStack() as stack:
        tables = {}
        for name in VENDORS:
            running = stack.enter_context(vendor(name, DATA))
            running.moves(NOW)
            tables[name] = running.table()
        tables["demo"] = '[sources.demo]\nplugin = "demo"\n'
        for name, text in tables.items():
            config = Config.parse(tomllib.loads(text), os.environ)
            async with AsyncExitStack() as opened:
                gateway = await opened.enter_async_context(Gateway(config))
                found[name] = (await asked(gateway), gateway.sources()[0])
    return found


def page(found: dict[str, tuple[Seen, Any]]) -> str:
    """The page in Markdown."""
    names = list(found)
    lines = [
        "# Capability matrix",
        "",
        "Asked, not declared: `python tests/capabilities.py` asks every built-in source, the",
        "vendors' own packages over stand-ins of their servers, and writes this page. A field that",
        "a source does not give is null in its answers. **data proved**: the rows behind it are",
        "recorded; *rule tested*: the vendor's documented rules were tested over invented rows.",
        "",
        "## Datasets",
        "",
        _row("", *names),
        _rule(len(names) + 1),
    ]
    for dataset in DATASETS:
        marks = ["yes" if dataset in found[n][1].datasets else "–" for n in names]
        lines.append(_row(dataset, *marks))
    lines.append(_row("push", *("yes" if found[n][1].pushes else "–" for n in names)))
    for title, attribute in (
        ("kinds", "kinds"),
        ("exchanges", "exchanges"),
        ("periods", "periods"),
    ):
        lines.append(_row(title, *(" ".join(getattr(found[n][1], attribute)) for n in names)))
    lines += ["", "## Fields, by dataset and kind", ""]
    for what in sorted({what for seen, _ in found.values() for what, _ in seen}):
        lines += _fields(what, found, names)
    lines += [
        "## Exemptions",
        "",
        "From checks of the [conformance kit](conformance.md), as the",
        "[report](conformance-report.md) of its last run has them:",
        "",
        *(exemptions() or ["- none"]),
        "",
        "## What the stand-ins invent",
        "",
    ]
    for title, invented in (("xtquant", xtquant_rows.INVENTED), ("rqdatac", rqdata_rows.INVENTED)):
        lines += [f"- {title}: {sentence}" for sentence in invented]
    return "\n".join(lines) + "\n"


def exemptions() -> list[str]:
    """The lines of the conformance report that tell of an exemption, with its reason."""
    report = (PAGE.parent / "conformance-report.md").read_text(encoding="utf-8")
    return [line for line in report.splitlines() if line.startswith("- ") and ", exempt: " in line]


def _fields(what: str, found: dict[str, tuple[Seen, Any]], names: list[str]) -> list[str]:
    every = sorted(
        {f for seen, _ in found.values() for key, s in seen.items() if key[0] == what for f in s}
    )
    lines = [f"### {what}", "", _row("", *names), _rule(len(names) + 1)]
    abouts = dict.fromkeys(key[1] for seen, _ in found.values() for key in seen if key[0] == what)
    lines.append(_row("tested", *(_status(what, n, found[n][0], abouts) for n in names)))
    for name in every:
        cells = []
        for source in names:
            given = [str(a) for a in abouts if name in found[source][0].get((what, a), ())]
            cells.append("all" if len(given) == len(abouts) else ", ".join(given) or "–")
        lines.append(_row(f"`{name}`", *cells))
    return [*lines, ""]


def _status(what: str, source: str, seen: Seen, abouts: Any) -> str:
    if source == "demo":
        return "simulated"
    told = []
    for about in abouts:
        if (what, about) in seen:
            proved = f"{about} {what}" in PROVED.get(source, ())
            told.append(f"**{about} data proved**" if proved else f"*{about} rule tested*")
    return "<br>".join(told) or "–"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(width: int) -> str:
    return "|" + "---|" * width


def main() -> int:
    """Write the page, or compare it."""
    if not DATA.is_dir():
        print(f"recorded market data are absent, nothing was asked (looked in {DATA})")  # noqa: T201
        return 0
    text = page(asyncio.run(gathered()))
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is out of date: run python tests/capabilities.py")  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
