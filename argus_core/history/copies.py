"""An archive as one file, and such a file merged into an archive, while both are in use.

The file is a tar of the chunk files as they are (Parquet is compressed already) with a manifest
at its end. Nothing is ever unpacked: what is restored is read from memory and written through the
same door as any answer, so that no name in a file can lead anywhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson

from argus_core.errors import CacheError
from argus_core.history.chunks import (
    Chunk,
    DamagedChunk,
    Seal,
    decode,
    read_seals,
    told_pairs,
    told_seals,
)
from argus_core.history.merging import tidy
from argus_core.history.parts import BackupReport, Progress, RestoreReport
from argus_core.history.revisions import Revision, read, told
from argus_core.history.rows import Shelved
from argus_core.history.series import SeriesKey
from argus_core.history.spans import Spans, any_day
from argus_core.history.store import Store

_KIND: Final = "argus-history"
_FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_SEAL: Final = "manifest.sha256"
_EVERY_REVISION: Final = 2**62
_ATTEMPTS: Final = 10


def back_up(store: Store, target: Path, progress: Progress) -> BackupReport:
    """What went into the new file ``target``; :class:`CacheError` if it cannot be written."""
    if target.exists():
        raise CacheError(f"{target} exists already: a backup replaces nothing")
    aside = target.with_name(f".{target.name}-{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("xb") as file:
            report = _pack(store, file, progress)
            size = file.tell()
        aside.replace(target)
    except OSError as error:
        raise CacheError(f"the backup {target} cannot be written: {error}") from error
    finally:
        aside.unlink(missing_ok=True)
    return BackupReport(*report, bytes=size)


def restore(store: Store, file: Path, progress: Progress) -> RestoreReport:
    """What the backup ``file`` brought in; :class:`CacheError`, before anything, if it is bad."""
    with _opened(file) as backup:
        many = len(backup.chunks)
        for number, name in enumerate(backup.chunks):
            backup.chunk(name)
            progress(number + 1, 2 * many)
        by_series: dict[SeriesKey, list[Revision]] = {}
        for one in backup.revisions:
            key = SeriesKey(one.dataset, one.period, one.source, one.symbol)
            by_series.setdefault(key, []).append(one)
        merged = 0
        series: set[SeriesKey] = set()
        for number, name in enumerate(backup.chunks):
            chunk = backup.chunk(name)
            series.add(chunk.about.key)
            merged += store.absorb(chunk, by_series.get(chunk.about.key, ()))
            progress(many + number + 1, 2 * many)
        new = store.add_revisions(backup.revisions)
    return RestoreReport(chunks=many, merged=merged, series=len(series), revisions=new)


def _pack(store: Store, file: IO[bytes], progress: Progress) -> tuple[int, int, int]:
    """Series, chunks and revisions that were written to ``file``."""
    shelf = store.ledger.shelf()
    entries: list[dict[str, Any]] = []
    series: set[SeriesKey] = set()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number, (key, shelved) in enumerate(shelf):
            for name, data, chunk in _copies(store, key, shelved):
                _add(tar, name, data)
                series.add(key)
                entries.append(
                    {
                        "file": name,
                        "bytes": len(data),
                        "sha256": hashlib.sha256(data).hexdigest(),
                        "spans": told_pairs(chunk.about.spans),
                        "seals": told_seals(_seals(store, name, chunk)),
                    }
                )
            progress(number + 1, len(shelf))
        # After the chunks: one that was replaced meanwhile is there as it became
        known = store.ledger.revisions(limit=_EVERY_REVISION).rows
        manifest = orjson.dumps(
            {
                "kind": _KIND,
                "format": _FORMAT,
                "made_at": store.clock.now(),
                "chunks": entries,
                "revisions": [told(one) for one in reversed(known)],
            }
        )
        _add(tar, _MANIFEST, manifest)
        _add(tar, _SEAL, hashlib.sha256(manifest).hexdigest().encode())
    file.flush()
    os.fsync(file.fileno())
    return len(series), len(entries), len(known)


def _copies(store: Store, key: SeriesKey, shelved: Shelved) -> Iterator[tuple[str, bytes, Chunk]]:
    """The chunk of a bucket with its file's name and bytes; nothing if it was cleared meanwhile."""
    wanted = key, shelved.bucket, shelved.bucket
    at_hand = [shelved]
    for _ in range(_ATTEMPTS):
        if not at_hand:
            return
        name = at_hand[0].file
        try:
            data = (store.root / name).read_bytes()
            yield name, data, decode(name.rpartition("/")[2], data)
        except (FileNotFoundError, DamagedChunk):
            # Replaced meanwhile, or broken: then this is where it is noticed and moved aside
            store.files.forget(name)
            store.chunks(wanted, at_hand)
            at_hand = store.ledger.chunks([wanted]).get(key, [])
        else:
            return
    raise CacheError(f"the archive's {key.symbol} changes too fast to be copied")


def _seals(store: Store, name: str, chunk: Chunk) -> tuple[Seal, ...]:
    """The seals of a chunk, as the ledger has them if it still has the chunk.

    They may be newer than those in the file: an answer that changes no row writes no new file.
    """
    key, bucket = chunk.about.key, chunk.about.bucket
    seals = store.ledger.seals(key, bucket, bucket).get(bucket, ())
    return seals if store.ledger.named(name) else chunk.about.seals


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


@dataclass(frozen=True, slots=True)
class _Backup:
    """An open backup whose manifest is whole."""

    file: Path
    tar: tarfile.TarFile
    members: Mapping[str, tarfile.TarInfo]
    chunks: Mapping[str, tuple[str, tuple[Seal, ...]]]
    """The digest and the seals of each chunk by its name."""
    revisions: tuple[Revision, ...]

    def chunk(self, name: str) -> Chunk:
        """The chunk of that name; :class:`CacheError` if it is not what was backed up."""
        data = _content(self.tar, self.members[name])
        digest, seals = self.chunks[name]
        if hashlib.sha256(data).hexdigest() != digest:
            raise CacheError(f"the backup {self.file} is damaged: the checksum of {name} is wrong")
        try:
            chunk = decode(name.rpartition("/")[2], data)
            chunk = replace(chunk, about=replace(chunk.about, seals=seals))
            chunk.check(name)
            days = Spans.of(((seal.first, seal.last) for seal in chunk.about.seals), any_day)
            tidy(chunk.about.key, chunk.frame, days)
        except (DamagedChunk, CacheError) as error:
            raise CacheError(f"the backup {self.file} cannot be used: {name}: {error}") from error
        return chunk


@contextmanager
def _opened(file: Path) -> Generator[_Backup]:
    """The backup in ``file``; :class:`CacheError` if it is none or was cut short."""
    try:
        with tarfile.open(file, mode="r:") as tar:
            members = _members(file, tar)
            manifest = _manifest(file, tar, members)
            chunks = {
                entry["file"]: (entry["sha256"], read_seals(entry["seals"]))
                for entry in manifest["chunks"]
            }
            revisions = tuple(read(one) for one in manifest["revisions"])
            _check_names(file, members, chunks)
            yield _Backup(file, tar, members, chunks, revisions)
    except (tarfile.TarError, EOFError) as error:
        raise CacheError(f"{file} is no backup of an archive, or damaged: {error}") from error
    except OSError as error:
        raise CacheError(f"the backup {file} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise CacheError(f"the manifest of {file} cannot be understood: {error!r}") from error


def _members(file: Path, tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        if not member.isreg() or member.name in members:
            raise CacheError(f"{file} is no backup of an archive: it holds {member.name!r}")
        members[member.name] = member
    return members


def _manifest(
    file: Path, tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]
) -> dict[str, Any]:
    if _MANIFEST not in members or _SEAL not in members:
        raise CacheError(f"{file} is no backup of an archive, or was cut short: no manifest in it")
    data = _content(tar, members[_MANIFEST])
    if hashlib.sha256(data).hexdigest().encode() != _content(tar, members[_SEAL]):
        raise CacheError(f"the backup {file} is damaged: the checksum of its manifest is wrong")
    manifest = cast("dict[str, Any]", orjson.loads(data))
    if (manifest["kind"], manifest["format"]) != (_KIND, _FORMAT):
        raise CacheError(f"{file} is a backup of another kind or a later version of Argus")
    return manifest


def _check_names(file: Path, members: Mapping[str, object], chunks: Mapping[str, object]) -> None:
    named = {*chunks, _MANIFEST, _SEAL}
    for name in named - members.keys():
        raise CacheError(f"the backup {file} is damaged: {name} is missing")
    for name in members.keys() - named:
        raise CacheError(f"the backup {file} is damaged: its manifest does not know {name!r}")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    if stream is None:
        raise CacheError(f"{member.name} in the backup has no content")
    return stream.read()
