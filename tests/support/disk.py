"""A disk of a few megabytes, and one that is full; Linux and root."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from support.network import Lacking, privileged, run


@contextlib.contextmanager
def mounted(directory: Path, megabytes: int) -> Generator[Path]:
    """A file system of that size in memory, in a directory of this name. Raises `Lacking`."""
    privileged("mount", "umount")
    directory.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "argus", str(directory))
    try:
        yield directory
    finally:
        run("umount", "--lazy", str(directory))


def small_disk_of(megabytes: int) -> Callable[..., Any]:
    """A fixture: an empty file system of that size; skips where none can be mounted."""

    @pytest.fixture
    def small_disk(tmp_path: Path) -> Generator[Path]:
        with contextlib.ExitStack() as stack:
            try:
                disk = stack.enter_context(mounted(tmp_path / "disk", megabytes))
            except Lacking as lacking:
                pytest.skip(str(lacking))
            yield disk

    return small_disk


def filled(directory: Path) -> Path:
    """The file that takes all room that was left on the directory's disk."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return ballast
