"""The directories that plugins.toml names, and why one of them cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from argus_core.config import Config
from argus_core.disk import no_directory, unwritable
from argus_core.errors import CacheError, ConfigError
from argus_core.history.archive import Archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A directory that a ``key`` of plugins.toml names, and what it ``keeps``."""

    keeps: str
    path: Path
    key: str
    where: str

    def lost(self) -> ConfigError | None:
        """What to say if there can be no such directory; None if nothing is seen against it."""
        why = no_directory(self.path)
        fix = f"move away what is in its way, or name another directory with `{self.key}`"
        return None if why is None else self.error(why, fix)

    def refusal(self) -> ConfigError | None:
        """The same if nothing can be kept in it. Nothing is made to find out."""
        if lost := self.lost():
            return lost
        why = unwritable(self.path)
        fix = f"let this user write there, or name another directory with `{self.key}`"
        return None if why is None else self.error(why, fix)

    def error(self, why: str, fix: str) -> ConfigError:
        """What to say if it cannot be used."""
        message = f"{self.keeps} cannot be kept in {self.path}: {why}"
        return ConfigError(message, where=self.where, fix=fix)


def archive_folder(config: Config) -> Folder | None:
    """Where the archive lies; None if none is configured."""
    if config.history is None:
        return None
    where = f"{config.where}, [history] path"
    return Folder(keeps="the archive", path=config.history.path, key="path", where=where)


def state_folder(config: Config) -> Folder | None:
    """Where the server keeps keys and state; None if no file named it, which nobody could mend."""
    if config.path is None:
        return None
    return Folder(
        keeps="the server's state",
        path=config.server.data_dir,
        key="data_dir",
        where=f"{config.where}, [server] data_dir",
    )


def open_archive(archive: Archive, folder: Folder) -> None:
    """Return when the archive in ``folder`` can be used; :class:`ConfigError` if it cannot be."""
    if lost := folder.lost():
        raise lost
    try:
        archive.open()
    except CacheError as error:
        fix = "if that does not pass by itself, mend it, or name another directory with `path`"
        raise folder.refusal() or folder.error(error.message, fix) from error
