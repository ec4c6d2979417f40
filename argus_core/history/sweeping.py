"""What killed processes left behind in an archive: saved if it is of use, and deleted."""

from __future__ import annotations

import time
from typing import Final

from argus_core.history.store import Store

_EVERY: Final = 3600.0
"""Seconds between two sweeps, whichever process does them."""
_AGE: Final = 600.0
"""Seconds after which a file that no ledger names is nobody's work in progress."""
_UNFINISHED: Final = ".tmp"


def sweep(store: Store) -> None:
    """Leave no file that the ledger does not name, if the last sweep is an hour ago.

    Real time, not the market's: files are as old as the system says.
    """
    now = time.time()
    if not store.mended(lambda: store.ledger.sweep_due(now, _EVERY)):
        return
    doomed = store.ledger.doomed()
    store.ledger.deleted(store.files.remove(doomed))
    named = store.ledger.files() | set(doomed)
    for entry in store.files.walk():
        file = store.files.name(entry)
        try:
            young = now - entry.stat().st_mtime < _AGE
        except FileNotFoundError:
            continue
        if file in named or young:
            continue
        if entry.name.endswith(_UNFINISHED):
            store.files.remove([file])
        elif entry.name.endswith(".parquet"):
            store.take_in(file)
