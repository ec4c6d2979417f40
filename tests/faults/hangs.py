# ruff: noqa: T201 - a command that prints its figures
"""Hang after hang in native code, and a look at what is left: ``python tests/faults/hangs.py 100``.

Every other hang holds the GIL. Threads, child processes and file descriptors of the gateway's
process are counted before the first worker starts and after the last was closed.
``deserted`` instead of a number: two hung workers' process ids, then a wait for the killer.
"""

import asyncio
import gc
import logging
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.hanging import HELD, RELEASED  # noqa: E402
from support.waiting import until  # noqa: E402
from support.workers import QUICK, asked, publish, worker  # noqa: E402

from argus_core import SourceUnavailable  # noqa: E402

LIMITS = replace(QUICK, kill_after=0.2, heartbeat_lost=0.6, beat=0.1, longest_pause=0.05)


def left() -> tuple[int, int, int]:
    """Threads, child processes (zombies included) and open files of this process."""
    gc.collect()
    children = psutil.Process().children(recursive=True)
    return threading.active_count(), len(children), len(list(Path("/proc/self/fd").iterdir()))


async def hang(source, symbol: str) -> float:
    """Seconds from the beginning of a hang to the next worker that answers."""
    began = time.monotonic()
    restarts = source.report()["restarts"]
    try:
        await asked(source, symbol, seconds=0.1)
    except (TimeoutError, SourceUnavailable):
        await until(lambda: source.report()["restarts"] == restarts + 1, seconds=60)
    await asked(source, "600519.SH", seconds=30)
    return time.monotonic() - began


async def many(number: int) -> list[float]:
    """Seconds that each of so many hangs lasted."""
    source = worker(LIMITS)
    await source.open()
    try:
        return [await hang(source, (RELEASED, HELD)[n % 2]) for n in range(number)]
    finally:
        await source.close()


async def deserted() -> None:
    """Two hung workers, and a process that waits to be killed."""
    patient = replace(QUICK, kill_after=1000)
    sources = [worker(patient), worker(patient)]
    await asyncio.gather(*(source.open() for source in sources))
    pids = [source.report()["pid"] for source in sources]
    calls = zip(sources, (RELEASED, HELD), strict=True)
    tasks = [asyncio.create_task(asked(source, s, seconds=1000)) for source, s in calls]
    await asyncio.sleep(0.2)
    print(*pids, flush=True)
    await asyncio.wait(tasks)


def main(what: str) -> int:
    """0 if nothing was left behind."""
    logging.disable()  # each death is told with the stacks of its threads
    with tempfile.TemporaryDirectory() as root:
        publish(Path(root))
        sys.path.insert(0, root)
        if what == "deserted":
            asyncio.run(deserted())
            return 0
        asyncio.run(asyncio.sleep(0))
        before = left()
        seconds = sorted(asyncio.run(many(int(what))))
        after = left()
    names = "threads, processes, files"
    print(f"{what} hangs; {names} before {before}, after {after}")
    middle = seconds[len(seconds) // 2]
    print(f"hang to next answer: median {middle:.2f} s, longest {seconds[-1]:.2f} s")
    return 0 if before == after else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "100"))
