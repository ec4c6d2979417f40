"""Where an archive's ledger is, and whose turn it is to change what lies beside it.

A ledger that is made anew gets a name of its own: SQLite keeps a log beside each database under the
database's name, and a second database of that name would be given the log of the first.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from argus_core.errors import CacheError

LEDGER: Final = "ledger.sqlite3"
"""The name of an archive's first ledger."""
_POINTER: Final = "ledger.current"
"""Holds the name of the ledger if it is another."""
_LOCK: Final = "turns.lock"
_BESIDE: Final = ("", "-wal", "-shm")
"""What belongs to an SQLite database, by what is added to its name."""
_WAIT: Final = 0.5
"""Seconds that a writer waits while the ledger is made anew."""

Identity = tuple[str, int, int]
"""Which file it is: its name and what the system knows it by."""


class Place:
    """An archive's folder, as far as the ledger goes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def ledger(self) -> Path:
        """Where the ledger is, or should be."""
        try:
            name = (self.root / _POINTER).read_text(encoding="ascii")
        except FileNotFoundError:
            return self.root / LEDGER
        except (OSError, UnicodeDecodeError) as error:
            raise CacheError(f"the archive's ledger cannot be found: {error}") from error
        return self.root / Path(name).name

    def identity(self) -> Identity | None:
        """Which file is the ledger now; None if there is none."""
        path = self.ledger()
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheError(f"the archive's ledger cannot be reached: {error}") from error
        return path.name, stat.st_dev, stat.st_ino

    def new_name(self) -> str:
        """A name that no ledger here ever had."""
        used = any(not path.name.startswith(_LOCK) for path in self.root.iterdir())
        return f"ledger-{secrets.token_hex(4)}.sqlite3" if used else LEDGER

    def appoint(self, name: str) -> None:
        """From now on the ledger is the file of that name; OSError."""
        if name == LEDGER:
            return
        aside = self.root / f".{_POINTER}-{secrets.token_hex(4)}.tmp"
        try:
            aside.write_text(name, encoding="ascii")
            aside.replace(self.root / _POINTER)
        finally:
            aside.unlink(missing_ok=True)

    def put_away(self, ledger: Path, folder: Path) -> None:
        """Move a ledger with its log into ``folder``, as far as the system lets go of it."""
        folder.mkdir(exist_ok=True)
        for end in _BESIDE:
            path = ledger.with_name(ledger.name + end)
            with suppress(FileNotFoundError, PermissionError):
                path.replace(folder / path.name)

    @contextmanager
    def shared(self) -> Generator[None]:
        """Files may be written and deleted: nobody makes the ledger anew meanwhile."""
        with self._locked("BEGIN", "SELECT 1 FROM sqlite_master", wait=_WAIT):
            yield

    @contextmanager
    def alone(self, wait: float) -> Generator[None]:
        """Nobody else is in here or in :meth:`shared`."""
        with self._locked("BEGIN EXCLUSIVE", wait=wait):
            yield

    @contextmanager
    def _locked(self, *statements: str, wait: float) -> Generator[None]:
        """SQLite's own lock on an empty file: it ends with its process, however that ends."""
        try:
            held = sqlite3.connect(
                self.root / _LOCK, timeout=wait, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise CacheError(f"the archive cannot be written: {error}") from error
        with closing(held):
            try:
                for statement in statements:
                    held.execute(statement).fetchall()
            except sqlite3.Error as error:
                raise CacheError(f"the archive's ledger is being made anew: {error}") from error
            try:
                yield
            finally:
                held.execute("ROLLBACK")
