"""The base class of every alerter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel

from argus_core.clock import Clock
from argus_core.extend.source import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing an operator should know: ``subject`` is the source or component concerned."""

    at: datetime
    subject: str
    event: str
    message: str


class Alerter:
    """Carries alerts to people. A failing alerter is logged and never harms a request."""

    Settings: ClassVar[type[BaseModel]] = Settings

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock

    async def send(self, alert: Alert) -> None:
        """Return when the alert has been handed over, raise if it could not be."""
        raise NotImplementedError
