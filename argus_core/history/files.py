"""The chunk files of an archive: written aside and renamed, read whole, kept decoded a while."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from argus_core.disk import sync_names
from argus_core.errors import CacheError
from argus_core.history.chunks import Chunk, decode, encode, name_of
from argus_core.history.series import SeriesKey

DATASETS: Final = ("bars", "factors")
"""The folders that hold chunks."""
DAMAGED: Final = "damaged"
"""The folder of what was moved aside."""
_DECODED_BYTES: Final = 64 * 1024 * 1024
_BASE_BYTES: Final = 4096
"""What a decoded chunk costs beside its rows, roughly."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """A chunk file that nobody refers to yet."""

    chunk: Chunk
    file: str
    """Below the archive's folder, with forward slashes."""
    size: int


class Files:
    """The files below one folder. A file never changes, so what was decoded stays true."""

    def __init__(self, root: Path, *, decoded_bytes: int = _DECODED_BYTES) -> None:
        self.root = root
        self._limit = decoded_bytes
        self._decoded: OrderedDict[str, tuple[Chunk, int]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def load(self, file: str) -> Chunk:
        """The chunk in ``file``.

        FileNotFoundError if it is not there, :class:`DamagedChunk` if it is not what was written,
        :class:`CacheError` if the disk cannot be read.
        """
        with self._lock:
            kept = self._decoded.get(file)
            if kept is not None:
                self._decoded.move_to_end(file)
                return kept[0]
        path = self.root / file
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CacheError(f"the archive's {file} cannot be read: {error}") from error
        chunk = decode(path.name, data)
        self._keep(file, chunk)
        return chunk

    def write(self, chunks: Iterable[Chunk]) -> list[Written]:
        """The chunks as files that are whole and on the disk; none is left behind on failure."""
        written: list[Written] = []
        folders: set[Path] = set()
        try:
            for chunk in chunks:
                folder = self.root / chunk.about.key.folder
                if folder not in folders:
                    _make(folder, self.root)
                    folders.add(folder)
                data = encode(chunk)
                name = name_of(chunk.about.bucket, data)
                # A chunk without rows says nothing that could not be asked once more
                _write_aside(folder / name, data, lasting=chunk.about.rows > 0)
                written.append(Written(chunk, f"{chunk.about.key.folder}/{name}", len(data)))
            for folder in folders:
                sync_names(folder)
        except OSError as error:
            self.remove(one.file for one in written)
            raise CacheError(f"the archive cannot write to {self.root}: {error}") from error
        return written

    def remove(self, files: Iterable[str]) -> list[str]:
        """Those of ``files`` that are gone now; a system that holds one open keeps it."""
        gone: list[str] = []
        for file in files:
            self.forget(file)
            try:
                (self.root / file).unlink(missing_ok=True)
            except OSError as error:
                _log.info("the archive's %s stays for now: %s", file, error)
            else:
                gone.append(file)
        return gone

    def forget(self, file: str) -> None:
        """Read ``file`` from the disk the next time."""
        with self._lock:
            _, size = self._decoded.pop(file, (None, 0))
            self._held -= size

    def move_aside(self, file: str, why: str) -> None:
        """Take a damaged file out of the way, for whoever wants to look at it."""
        target = self.root / DAMAGED / f"{secrets.token_hex(4)}-{file.replace('/', '~')}"
        self.forget(file)
        try:
            target.parent.mkdir(exist_ok=True)
            (self.root / file).replace(target)
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning(
                "the archive's %s is damaged (%s) and cannot be moved: %s", file, why, error
            )
            return
        _log.warning("the archive's %s is damaged (%s): moved to %s", file, why, target)

    def of_series(self, key: SeriesKey) -> list[str]:
        """Every chunk file in the folder of a series, of whatever version."""
        return [
            f"{key.folder}/{path.name}" for path in (self.root / key.folder).glob("*-*.parquet")
        ]

    def walk(self) -> Iterator[os.DirEntry[str]]:
        """Every file below the folders of chunks, unfinished ones too."""
        for dataset in DATASETS:
            yield from _files_below(self.root / dataset)

    def name(self, entry: os.DirEntry[str]) -> str:
        """The file of an entry of :meth:`walk`, as the ledger calls it."""
        return Path(entry.path).relative_to(self.root).as_posix()

    def _keep(self, file: str, chunk: Chunk) -> None:
        size = int(chunk.frame.estimated_size()) + _BASE_BYTES
        if size > self._limit:
            return
        with self._lock:
            if file not in self._decoded:
                self._decoded[file] = (chunk, size)
                self._held += size
            while self._held > self._limit:
                _, (_, released) = self._decoded.popitem(last=False)
                self._held -= released


def _files_below(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise CacheError(f"the archive's folder {folder} cannot be read: {error}") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path)
        else:
            yield entry


def _make(folder: Path, root: Path) -> None:
    """``folder`` with those above it, each named on the disk by the one above."""
    made: list[Path] = []
    above = folder
    while above != root and not above.exists():
        made.append(above)
        above = above.parent
    folder.mkdir(parents=True, exist_ok=True)
    for one in reversed(made):
        sync_names(one.parent)


def _write_aside(target: Path, data: bytes, *, lasting: bool) -> None:
    """``target`` with these bytes, under its own name only once they are on the disk.

    Not ``lasting``: it may be lost with the power.
    """
    aside = target.with_name(f".{target.stem}-{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("xb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(target)
    except OSError:
        # Its name is its own: nobody else's file is deleted, whichever step failed
        for path in (aside, target):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
