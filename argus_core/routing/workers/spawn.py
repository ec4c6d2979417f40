"""How a worker's process is started, and how it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

ZONE = "CST-8" if sys.platform == "win32" else "Asia/Shanghai"
"""What TZ holds: C libraries on Windows read POSIX rules only, and write UTC+8 with a minus."""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a worker: the gateway's, in Shanghai's time, with the same imports."""
    path = os.pathsep.join(os.path.abspath(entry or os.curdir) for entry in sys.path)  # noqa: PTH100
    return {
        **environ,
        **dict.fromkeys(_ONE_THREAD, "1"),
        "TZ": ZONE,
        "PYTHONPATH": path,
        "PYTHONUTF8": "1",
    }


def spawned() -> subprocess.Popen[bytes]:
    """A new worker that waits for its first frame.

    It leads a session of its own, so that Ctrl-C in a terminal reaches the gateway alone, which
    then ends its workers in order, and so that what an SDK started can be ended with it.
    """
    # -P: a module in the working directory must not stand in for the gateway's
    command = [sys.executable, "-P", "-m", "argus_core.routing.workers"]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(  # noqa: S603 - nothing in the command comes from outside
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
        creationflags=flags,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that was not waited for yet, and what it started, at once."""
    if sys.platform == "win32":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS refuses where all are gone already
        process.kill()


def ending(code: int) -> str:
    """What a process did, in words that follow its name."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
