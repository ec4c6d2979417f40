"""Workers around the misbehaving plugin, with limits that tests can wait for."""

import asyncio
from pathlib import Path
from random import Random

from support.hanging import Hanging

from argus_core import Clock, QuotesQuery, Symbol
from argus_core.routing.workers.isolated import Isolated, isolated
from argus_core.routing.workers.limits import Limits
from argus_core.routing.workers.protocol import Start

PLUGIN = "hanging"
WHERE = "plugins.toml, [sources.h]"
TOKEN = "s3cret-token-of-the-vendor"
QUICK = Limits(
    kill_after=0.6,
    heartbeat_lost=2.0,
    job_limit=1.0,
    beat=0.2,
    first_pause=0.05,
    fair_chance=0.1,
    queue=4,
)


def publish(root: Path, module: str = "support.hanging", name: str = PLUGIN) -> None:
    """Make ``root``, which belongs on ``sys.path``, hold a distribution with the plugin."""
    info = root / f"{name}_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[argus]\n{name} = {module}\n")


def worker(
    limits: Limits = QUICK, plugin: str = PLUGIN, told: list | None = None, **table: object
) -> Isolated:
    """A source in a worker that is not open yet; operators are told into ``told``."""
    table = {"token": TOKEN, **table}
    start = Start(
        name="h",
        plugin=plugin,
        where=WHERE,
        table=table,
        beat=limits.beat,
        heartbeat_lost=limits.heartbeat_lost,
    )
    settings = Hanging.Settings.model_validate(table)
    kind = isolated(Hanging)
    news = [] if told is None else told
    return kind(
        start,
        settings,
        Clock(),
        limits=limits,
        secrets={TOKEN},
        random=Random(1),
        tell=lambda *what: news.append(what),
    )


async def asked(source: Isolated, symbol: str, seconds: float = 5.0) -> str:
    """The name in the one quote that the source gives: by default its process id."""
    async with asyncio.timeout(seconds):
        (quote,) = await source.quotes(QuotesQuery(symbols=(Symbol(symbol),)))
    return quote.name
