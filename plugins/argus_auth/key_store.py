"""The file that holds API keys: only salted hashes, readable by its owner alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from argus_auth.lock_file import LockFile
from argus_core import BadParameter, Clock, PluginError

PREFIX = "argus_"
"""How every key begins, so that people and secret scanners recognise one."""

SCOPES = ("data", "manage")
"""What a key can be good for."""

LOOK_AGAIN = 1.0
"""Seconds for which the file is taken as unchanged; a revoked key lives no longer than this."""

_ID_LENGTH = 8
_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without l, o, 0 and 1, which people misread
_KEY = re.compile(rf"{PREFIX}([{_ID_LETTERS}]{{{_ID_LENGTH}}})_([A-Za-z0-9_-]{{43}})")
_NAME_LENGTH = 100


class KeyRecord(BaseModel):
    """What is known of one key. The secret itself is nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    scopes: tuple[Literal["data", "manage"], ...]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    salt: str = Field(repr=False)
    hash: str = Field(repr=False)

    def usable(self, now: datetime) -> bool:
        """True if the key is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class _Stored(BaseModel):
    """The file's layout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The keys by id as the file held them when it looked like ``mark``."""

    mark: tuple[int, int, int] | None
    keys: dict[str, KeyRecord]


class KeyStore:
    """The API keys of one installation, in the JSON file ``path``.

    Several processes may share the file: each sees a change within a second, and changes are made
    one at a time. A file that cannot be read raises :class:`PluginError`, so a damaged store
    admits nobody.
    """

    def __init__(self, path: Path, clock: Clock, *, patience: float = 5.0) -> None:
        self.path = path
        self._clock = clock
        self._lock = LockFile(path.with_name(path.name + ".lock"), patience)
        self._snapshot = _Snapshot(None, {})
        self._looked: float | None = None
        self._decoy = _record(
            key_id="decoy",
            name="decoy",
            scopes=(),
            created=clock.now(),
            expires=None,
            secret=secrets.token_urlsafe(),
        )

    def create(
        self, name: str, scopes: Collection[str], expires: datetime | None = None
    ) -> tuple[KeyRecord, str]:
        """A new key: its record and its plaintext, which exists nowhere else afterwards.

        Raises :class:`BadParameter` if the name is empty or unprintable, a scope unknown or the
        expiry not in the future.
        """
        now = self._clock.now()
        _check(name, scopes, expires, now)
        secret = secrets.token_urlsafe(32)
        with self._lock:
            keys = self._read()
            record = _record(
                key_id=_fresh_id(keys),
                name=name,
                scopes=scopes,
                created=now,
                expires=expires,
                secret=secret,
            )
            self._write([*keys.values(), record])
        return record, f"{PREFIX}{record.id}_{secret}"

    def records(self) -> tuple[KeyRecord, ...]:
        """Every key that was ever created, oldest first, as the file holds them now."""
        return tuple(self._read().values())

    def revoke(self, key_id: str) -> KeyRecord:
        """The record of the key, now revoked; one that already was keeps its date.

        Raises :class:`BadParameter` if there is no such key.
        """
        with self._lock:
            keys = self._read()
            if key_id not in keys:
                raise BadParameter(f"there is no key with the id {key_id!r}")
            record = keys[key_id]
            if record.revoked is None:
                record = record.model_copy(update={"revoked": self._clock.now()})
                self._write([record if key.id == key_id else key for key in keys.values()])
        return record

    def find(self, key: str) -> KeyRecord | None:
        """The record of a usable key, ``None`` for anything else."""
        parts = _KEY.fullmatch(key)
        if parts is None:
            return None
        key_id, secret = parts.groups()
        # An unknown id costs the same as a wrong secret, so that ids cannot be told by time.
        known = self._current().get(key_id)
        matches = _matches(known or self._decoy, secret)
        if known is None or not matches or not known.usable(self._clock.now()):
            return None
        return known

    def _current(self) -> dict[str, KeyRecord]:
        now = self._clock.monotonic()
        if self._looked is None or now - self._looked >= LOOK_AGAIN:
            if self._mark() != self._snapshot.mark:
                self._read()
            self._looked = now
        return self._snapshot.keys

    def _read(self) -> dict[str, KeyRecord]:
        # The mark is taken first: a change between the two is then read again, never missed.
        mark = self._mark()
        try:
            text = self.path.read_bytes() if mark else b"{}"
            stored = _Stored.model_validate_json(text)
        except OSError as error:
            raise self._broken(f"cannot be read: {error.strerror}", "make it readable") from error
        except ValidationError as error:
            # Without the chain, which would show the file's contents.
            raise self._broken(
                f"is damaged: {_first_fault(error)}",
                "restore it, or move it away and make new keys",
            ) from None
        self._snapshot = _Snapshot(mark, {record.id: record for record in stored.keys})
        return self._snapshot.keys

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._broken(f"cannot be read: {error.strerror}", "make it readable") from error
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _write(self, keys: Sequence[KeyRecord]) -> None:
        text = _Stored(keys=tuple(keys)).model_dump_json(indent=2)
        try:
            _replace(self.path, text)
        except OSError as error:
            raise self._broken(
                f"cannot be written: {error.strerror}", "make it writable"
            ) from error
        self._looked = None  # what this process has just changed, it need not wait to see

    def _broken(self, what: str, fix: str) -> PluginError:
        return PluginError(f"the API key store {what}", where=str(self.path), fix=fix)


def _replace(path: Path, text: str) -> None:
    # mkstemp makes the file with mode 0600, before there is anything in it to read.
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _check(name: str, scopes: Collection[str], expires: datetime | None, now: datetime) -> None:
    if not name.strip() or not name.isprintable() or len(name) > _NAME_LENGTH:
        raise BadParameter(f"a key's name is printable text of 1 to {_NAME_LENGTH} characters")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise BadParameter(f"a key's scopes are one or more of: {', '.join(SCOPES)}")
    if expires is not None and expires <= now:
        raise BadParameter(f"the expiry {expires.isoformat()} is not in the future")


def _record(
    *,
    key_id: str,
    name: str,
    scopes: Collection[str],
    created: datetime,
    expires: datetime | None,
    secret: str,
) -> KeyRecord:
    salt = secrets.token_hex(16)
    return KeyRecord.model_validate(
        {
            "id": key_id,
            "name": name,
            "scopes": tuple(scope for scope in SCOPES if scope in scopes),
            "created": created,
            "expires": expires,
            "salt": salt,
            "hash": _hash(salt, secret),
        }
    )


def _fresh_id(taken: Collection[str]) -> str:
    while True:
        key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
        if key_id not in taken:
            return key_id


def _hash(salt: str, secret: str) -> str:
    # The secret is 256 random bits, which nobody can guess through however fast the hash is; a
    # slow one would only make every request slow.
    return hashlib.sha256(f"{salt}:{secret}".encode()).hexdigest()


def _matches(record: KeyRecord, secret: str) -> bool:
    return hmac.compare_digest(record.hash, _hash(record.salt, secret))


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]
