"""A lock between processes that a crash cannot leave behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType

POLL = 0.01
"""Seconds between two tries."""


class FileLock:
    """Holds a lock on the file ``path`` while a block runs; it is made where there is none.

    :class:`TimeoutError` if another process holds it for longer than ``patience`` seconds, any
    other :class:`OSError` if the file cannot be made. The operating system lets go of the lock
    when its holder ends, however it ends; the empty file stays.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._file = -1

    def __enter__(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        give_up = time.monotonic() + self._patience
        while not _locked(self._file):
            if time.monotonic() >= give_up:
                self._close()
                raise TimeoutError(f"another process has held {self._path} for too long")
            time.sleep(POLL)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1


if sys.platform == "win32":
    import msvcrt

    def _locked(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
