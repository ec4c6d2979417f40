# ruff: noqa: T201 - a command that prints its figures
"""A download of five minutes with the limits as they are: ``python tests/faults/long_job.py 300``.

While the job runs, a quote is asked each second and must be answered by the same worker, and a
subscription must go on without a gap. Exit code 1 if the job was killed.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.hanging import WORKS  # noqa: E402
from support.workers import asked, publish, worker  # noqa: E402

from argus_core import Gap, Preparing, Symbol  # noqa: E402
from argus_core.routing.workers.limits import Limits  # noqa: E402

PLAIN = "600519.SH"


async def watched(seconds: float) -> int:
    """0 if the job came to its end in the worker that began it."""
    source, pushed = worker(Limits(), job_seconds=seconds), []
    await source.open()
    try:
        await source.subscribe((Symbol(PLAIN),), pushed.append)
        try:
            await asked(source, WORKS)
        except Preparing:
            print("PREPARING, as it should be")
        pid, began, answers = source.report()["pid"], time.monotonic(), 0
        while source.report().get("job") or time.monotonic() - began < 2:
            answers += await asked(source, PLAIN) == str(pid)
            await asyncio.sleep(1)
        took = time.monotonic() - began
        gaps = sum(isinstance(item, Gap) for item in pushed)
        same = source.report()["pid"] == pid
        print(f"job ended after {took:.0f} s in the same worker: {same}")
        print(f"{answers} quotes answered meanwhile, {len(pushed)} pushes, {gaps} gaps")
        return 0 if same and took >= seconds and not gaps else 1
    finally:
        await source.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        publish(Path(folder))
        sys.path.insert(0, folder)
        sys.exit(asyncio.run(watched(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0)))
