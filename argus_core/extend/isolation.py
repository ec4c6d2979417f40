"""What a source's table may say of the worker that the source runs in."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Isolation(BaseModel):
    """Whether a source runs in a worker, and how patient the core is with it."""

    isolation: Literal["none", "process"] | None = Field(
        default=None,
        description="`process`: the source runs in a worker; where absent, as its plugin says.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        description="One: a worker holds one login. Several logins are several tables and a pool.",
    )
    kill_after: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds that a call may run in the worker before that is ended; 30.",
    )
    heartbeat_lost: float | None = Field(
        default=None,
        ge=2,
        allow_inf_nan=False,
        description="Seconds that the worker may be without a heartbeat; 10.",
    )
    job_limit: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds that a download may give no sign of life; 600.",
    )
