"""What is put to the proof: a plugin's class, how to make instances of it, what to ask them."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from pydantic import BaseModel, ValidationError

from argus_core.clock import Clock
from argus_core.errors import BeyondHorizon, PluginError
from argus_core.extend.authenticator import Authenticator, Presented
from argus_core.extend.balancer import Balancer, timed
from argus_core.market.calendar import session_dates
from argus_core.model.symbol import Symbol
from argus_core.plugins import KINDS
from argus_core.telemetry.mistakes import explain

Fault = Callable[[], AbstractContextManager[Any]]
"""Makes the vendor misbehave for as long as the context lasts."""

Credentials = Callable[[Any], Mapping[str, Presented]]
"""What people present to an authenticator: ``good``, ``wrong``, ``expired``, ``foreign``, …"""

SESSIONS = 10
"""Trading days that are asked about where no range is given."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class Subject:
    """One plugin under the kit. Only ``plugin``, ``kind`` and ``cls`` are needed.

    ``settings`` are the plugin's own, ``symbols`` some that the vendor knows, ``start`` to ``end``
    trading dates for which it has bars. ``faults`` are named timeout, slow, disconnect, quota,
    no_permission, bad_token, garbage and empty; ``feed`` makes a vendor push something.
    ``received`` tells what an alerter's peer has got, ``bound`` how many bytes a cache may hold.
    """

    plugin: str
    kind: str
    cls: type[Any]
    module: str | None = None
    settings: Mapping[str, Any] | BaseModel = field(default_factory=dict[str, Any])
    symbols: tuple[Symbol, ...] = ()
    start: date | None = None
    end: date | None = None
    clock: Clock = field(default_factory=Clock)
    faults: Mapping[str, Fault] = field(default_factory=dict[str, Fault])
    credentials: Credentials | None = None
    feed: Fault | None = None
    received: Callable[[], list[str]] | None = None
    bound: int | None = None
    shared: bool = False
    memo: dict[Any, Any] = field(default_factory=dict[Any, Any])
    seen: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def make(self, name: str = "conformance", *, clock: Clock | None = None) -> Any:
        """A new instance, not opened; :class:`PluginError` if the settings do not do."""
        if issubclass(self.cls, Balancer):
            return timed(self.cls(Random(1)), clock or self.clock)
        extra = (self.data_dir,) if issubclass(self.cls, Authenticator) else ()
        return self.cls(name, self.model, clock or self.clock, *extra)

    @cached_property
    def model(self) -> BaseModel:
        """The validated settings."""
        if isinstance(self.settings, BaseModel):
            return self.settings
        kind: type[BaseModel] = self.cls.Settings
        try:
            return kind.model_validate(self.settings)
        except ValidationError as error:
            found = explain(error, f"the settings of {self.plugin}", kind)
            missing = [str(e["loc"][0]) for e in error.errors() if e["type"] == "missing"]
            fix = found.fix
            if missing:
                fix = (
                    f"give {', '.join(missing)}: in a table of --config that names this plugin, "
                    "or as `settings` of the test class"
                )
            raise PluginError(found.message, where=found.where, fix=fix) from None

    @cached_property
    def data_dir(self) -> Path:
        """A directory of its own for an authenticator's state."""
        path = Path(tempfile.mkdtemp(prefix="argus-conformance-"))
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return path

    @property
    def base(self) -> type[Any]:
        """The base class of the plugin's kind."""
        return KINDS[self.kind]

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The trading dates that are asked about: those of the range, by default the last ten."""
        end = self.end or self.clock.now().date() - timedelta(days=1)
        start = self.start or end - timedelta(days=SESSIONS * 3)
        days = sessions(start, end)
        if not days:
            raise PluginError(
                f"there is no trading day from {start} to {end}",
                where=f"the range given for {self.plugin}",
                fix="name a range with a few trading days",
            )
        return days if self.start else days[-SESSIONS:]


def sessions(start: date, end: date) -> tuple[date, ...]:
    """The trading dates of a range; weekdays where the core's calendar does not reach."""
    try:
        return session_dates(start, end)
    except BeyondHorizon:
        log.info("the calendar does not reach %s: weekdays are taken for trading dates", end)
    every = (start + timedelta(days=n) for n in range((end - start).days + 1))
    return tuple(day for day in every if day.weekday() < 5)  # noqa: PLR2004
