"""A lock between processes, made of nothing but a file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType

from argus_core import PluginError

POLL = 0.02
"""Seconds between two tries."""


class LockFile:
    """Holds ``path`` while a block runs; another holder is waited for up to ``patience`` seconds.

    Making a file that must not exist yet is atomic on every file system and platform, which
    advisory locks are not. A crash can leave the file behind; then the error says what to do.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience

    def __enter__(self) -> None:
        give_up = time.monotonic() + self._patience
        while not self._take():
            if time.monotonic() >= give_up:
                raise PluginError(
                    "another process is changing the API keys, or died while it did",
                    where=str(self._path),
                    fix="try again; if nothing else is running, delete this file",
                )
            time.sleep(POLL)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._path.unlink(missing_ok=True)

    def _take(self) -> bool:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        except OSError as error:
            raise PluginError(
                f"the API keys cannot be changed: {error.strerror}",
                where=str(self._path.parent),
                fix="let this user write to the directory",
            ) from error
        return True
