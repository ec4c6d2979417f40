"""What the disk must hold before anybody relies on it, and whether it can."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISDIR


def sync_names(folder: Path) -> None:
    """Bring the names in ``folder`` to the disk, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def no_directory(path: Path) -> str | None:
    """Why ``path`` is no directory and cannot become one; None if nothing is seen against it.

    This only looks: nothing is made, and the disk may refuse all the same.
    """
    return _nearest(path)[1]


def unwritable(path: Path) -> str | None:
    """Why nothing can be kept in the directory ``path``, be it there or not; None likewise."""
    there, why = _nearest(path)
    if why is None and not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written by this user"
    return why


def _nearest(path: Path) -> tuple[Path, str | None]:
    """What is there of a path, and why it leads to no directory."""
    for place in (path, *path.parents):
        try:
            status = place.stat()
        except (FileNotFoundError, NotADirectoryError):
            if place.is_symlink():  # `mkdir` takes it for something that is there
                return place, f"{place} is a link to what is not there"
        except (OSError, ValueError) as error:  # a path may hold what no system takes
            return place, f"{place} cannot be reached: {getattr(error, 'strerror', error)}"
        else:
            return place, None if S_ISDIR(status.st_mode) else f"{place} is not a directory"
    return path, f"{path} has no beginning"
