"""``argus keys``: make, list and revoke the keys of the configured authenticator."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, runtime_checkable

import typer

from argus_cli.options import DEFAULT_CONFIG, ConfigOption
from argus_cli.trouble import told

if TYPE_CHECKING:
    from argus_core import Clock

keys = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True)

_DAY = "%Y-%m-%d"
_MINUTE = f"{_DAY} %H:%M"
_DAYS = re.compile(r"(\d{1,5})d")


class KeyRecord(Protocol):
    """What an authenticator tells of a key."""

    @property
    def id(self) -> str:
        """The public part, by which the key is revoked."""
        ...

    @property
    def name(self) -> str:
        """What the operator called it."""
        ...

    @property
    def scopes(self) -> Collection[str]:
        """What it is good for."""
        ...

    @property
    def created(self) -> datetime:
        """When it was made."""
        ...

    @property
    def expires(self) -> datetime | None:
        """From when on it opens nothing."""
        ...

    @property
    def revoked(self) -> datetime | None:
        """When it was revoked."""
        ...


@runtime_checkable
class KeyKeeper(Protocol):
    """An authenticator that manages keys. The command line knows it by these methods alone."""

    @property
    def clock(self) -> Clock:
        """The time that decides on expiry."""
        ...

    def create_key(
        self, name: str, scopes: Collection[str], expires: datetime | None
    ) -> tuple[KeyRecord, str]:
        """A new key's record and its plaintext."""
        ...

    def list_keys(self) -> Sequence[KeyRecord]:
        """Every key."""
        ...

    def revoke_key(self, key_id: str) -> KeyRecord:
        """The record of the key, now revoked."""
        ...


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use the key.")],
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="data (reading, the default) or manage (operating); may be repeated."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="90d, or 2026-12-31 as the last day; never if left out.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a key. It is printed once, alone on stdout; everything else goes to stderr."""
    with told():
        keeper = _keeper(config)
        until = None if expires is None else _until(expires, keeper.clock)
        record, plaintext = keeper.create_key(name, scope or ["data"], until)
    ends = record.expires.isoformat(timespec="minutes") if record.expires else "never"
    typer.echo(
        f"Key {record.id} ({record.name}), scopes: {', '.join(record.scopes)}, expires: {ends}.\n"
        "Keep it now: it is stored nowhere and cannot be shown again.",
        err=True,
    )
    typer.echo(plaintext)


@keys.command("list")
def list_(*, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """List all keys, the expired and the revoked too. Times are Beijing's."""
    from argus_cli.console import output, table
    from argus_core import SHANGHAI

    with told():
        keeper = _keeper(config)
        records = keeper.list_keys()
        now = keeper.clock.now()
    output().print(
        table(
            ("id", "name", "scopes", "created", "expires", "state"),
            (
                (
                    record.id,
                    record.name,
                    ", ".join(record.scopes),
                    f"{record.created.astimezone(SHANGHAI):{_DAY}}",
                    f"{record.expires.astimezone(SHANGHAI):{_MINUTE}}"
                    if record.expires
                    else "never",
                    _state(record, now),
                )
                for record in records
            ),
            wrapping={"scopes", "state"},
        )
    )


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Revoke a key. Running servers refuse it within a second."""
    with told():
        record = _keeper(config).revoke_key(key_id)
    typer.echo(f"Key {record.id} ({record.name}) is revoked.")


def _keeper(path: Path) -> KeyKeeper:
    from argus_core.config import Config
    from argus_core.errors import ConfigError
    from argus_core.gateway import Gateway
    from argus_core.routes import Routes

    config = Config.load(path, os.environ)
    # Only the authenticators are built: making a key needs no vendor's token.
    bare = config.model_copy(
        update={"sources": {}, "pools": {}, "routes": Routes(), "caches": {}, "alerters": {}}
    )
    for authenticator in Gateway(bare).authenticators:
        if isinstance(authenticator, KeyKeeper):
            return authenticator
    raise ConfigError(
        "no configured authenticator keeps keys",
        where=f"{path}, [auth] plugins",
        fix='add "api_key" to the plugins of [auth]',
    )


def _until(text: str, clock: Clock) -> datetime:
    now = clock.now()
    days = _DAYS.fullmatch(text)
    if days is not None:
        return now + timedelta(days=int(days[1]))
    try:
        last = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither days like 90d nor a date like 2026-12-31",
            param_hint="--expires",
        ) from None
    # The day that was named is still a good one.
    return datetime.combine(last, datetime.min.time(), now.tzinfo) + timedelta(days=1)


def _state(record: KeyRecord, now: datetime) -> str:
    if record.revoked is not None:
        return f"revoked {record.revoked.astimezone(now.tzinfo):{_DAY}}"
    if record.expires is not None and record.expires <= now:
        return "expired"
    return "active"
