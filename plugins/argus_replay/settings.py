"""The settings of ``replay``."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from argus_core import Settings


class ReplaySettings(Settings):
    """``[sources.NAME]`` with ``plugin = "replay"``."""

    path: Path
    """A directory that `argus record` wrote, or a Parquet file of ticks."""
    trades: Path | None = None
    """A Parquet file of trades that go with a file of ticks."""
    day: date | None = None
    """Which recorded day is played; not needed where there is only one."""
    speed: float = Field(default=1.0, ge=1, le=1000, allow_inf_nan=False)
    """How many times faster than it was."""
    start: time | None = None
    """The time of that day from which it is played; from its first update on if absent."""
    loop: bool = False
    """Whether it begins again at its end; else the last state stands."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.trades is not None and self.path.is_dir():
            raise ValueError("a recording holds its trades: leave `trades` out")
        return self
