"""What one gateway tells another: values with the origin of each, to bytes and back.

Records travel as one JSON object. Frames travel as that object in one line, and after it one
Arrow IPC stream with the rows of all keys, their key in the column ``symbol``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Annotated, Any

import orjson
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from argus_core.clock import SHANGHAI
from argus_core.model.answer import Origin
from argus_core.model.codec import RECORDS
from argus_core.model.query import Query

KEY = "symbol"
"""The column that says whose row it is."""
LONGEST_HEAD = 64 * 1024 * 1024

_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Why a key has no value over there: a code of the contract, and a sentence."""

    code: str
    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One gateway's answer to another's question, by key.

    ``values`` are records; of bars, factors and ticks there is one ``frame`` instead. A key with
    an origin and no value is one that the sources over there do not have; if it failed as well,
    some source that could not be heard might have it. ``now`` is the instant of the answer by
    that gateway's clock, ``steps`` what it did, a sentence each.
    """

    now: datetime
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    frame: pl.DataFrame | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    failures: Mapping[str, Unanswered] = field(default_factory=dict[str, Unanswered])
    steps: tuple[str, ...] = ()


class _OriginForm(BaseModel):
    """Where the values of some keys really come from."""

    path: tuple[str, ...] = Field(
        min_length=1, description="The sources behind the answer, the nearest first."
    )
    age: _Seconds = Field(description="Seconds since the last of them gave the value.")
    stale: bool = Field(default=False, description="Whether it is older than it should be.")
    reason: str | None = Field(
        default=None, description="Why it is stale, or that it was found offline."
    )
    simulated: bool = Field(default=False, description="Whether it is invented.")
    resolution: dict[str, float] = Field(
        default_factory=dict[str, float], description="Fields counted coarsely, and their steps."
    )
    replay: dict[str, Any] | None = Field(
        default=None, description="The recorded day that they are out of, and its speed."
    )
    keys: list[str] = Field(description="The keys that come from there.")


class _FailureForm(BaseModel):
    """Why a key has no value."""

    code: str
    message: str
    retry_after: _Seconds | None = Field(default=None, description="Seconds.")


class ToldForm(BaseModel):
    """The JSON part of an answer to another gateway."""

    model_config = ConfigDict(title="DatasetBody", json_schema_extra={"required": ["success"]})

    success: bool = Field(examples=[True])
    now: datetime = Field(description="The instant of the answer, by this server's clock.")
    origins: list[_OriginForm] = Field(
        description="Where values come from; a key without a value is one that no source has, "
        "or, if it failed as well, one that a source which could not be heard might have."
    )
    failures: dict[str, _FailureForm] = Field(description="Why keys have no value, by key.")
    steps: list[str] = Field(description="How it was found, a sentence each.")
    rows: int = Field(default=0, ge=0, description="How many rows the table after it has.")
    data: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="Records by key; bars, factors and ticks follow as an Arrow stream instead.",
    )


def asked_body(query: Query, **terms: Any) -> bytes:
    """The question as another gateway is asked it: the query's fields, and the terms."""
    asked = {field.name: getattr(query, field.name) for field in fields(query)}
    return orjson.dumps({**asked, **terms})


def told_records(dataset: str, told: Told) -> bytes:
    """The bytes of an answer whose values are records."""
    if dataset not in RECORDS:
        raise ValueError(f"{dataset} are frames")
    return orjson.dumps({**_head(told), "data": _by_text(told.values)})


def told_frames(told: Told, frames: Mapping[str, pl.DataFrame], *, packed: bool) -> bytes:
    """The bytes of an answer whose values are ``frames`` by key; ``packed`` ones are smaller."""
    out = io.BytesIO()
    rows = sum(frame.height for frame in frames.values())
    out.write(orjson.dumps({**_head(told), "rows": rows}))
    out.write(b"\n")
    if rows:
        frame = _stacked(frames)
        # Arrow's own Zstandard packs bars tighter than gzip does, in a sixth of the time.
        frame.write_ipc_stream(
            out,
            compression="zstd" if packed else "uncompressed",
            compat_level=pl.CompatLevel.oldest(),
        )
    return out.getvalue()


def read_told(dataset: str, body: bytes) -> Told:
    """What such bytes say; :class:`ValueError` if they are damaged or of another form."""
    if dataset in RECORDS:
        return _told(_parsed(_form(dataset), body))
    end = body.find(b"\n", 0, LONGEST_HEAD)
    if end < 0:
        raise ValueError("the answer has no head")
    head = _parsed(_form(None), body[:end])
    frame = None
    if end + 1 < len(body):
        try:
            frame = pl.read_ipc_stream(io.BytesIO(memoryview(body)[end + 1 :]))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise ValueError("the answer's table is damaged or cut off") from error
        if KEY not in frame.columns:
            raise ValueError(f"the answer's table lacks the column {KEY}")
    # A stream that ends between two of its batches looks whole.
    if head.rows != (0 if frame is None else frame.height):
        raise ValueError("the answer's table is cut off")
    return _told(head, frame)


def _stacked(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """All frames in one, each row with its key."""
    heights = [frame.height for frame in frames.values()]
    keys = pl.DataFrame({KEY: list(frames), "rows": heights}).filter(pl.col("rows") > 0)
    keys = keys.select(pl.col(KEY).repeat_by("rows").explode())
    rows = pl.concat(list(frames.values()), rechunk=True)
    return pl.concat([keys, rows], how="horizontal")


def _by_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same under plain texts: JSON knows no symbols."""
    return {str(key): value for key, value in values.items()}


def _head(told: Told) -> dict[str, Any]:
    groups: dict[Any, tuple[Origin, list[str]]] = {}
    for key, origin in told.origins.items():
        mark = (origin.path, round(origin.age, 3), origin.stale, origin.reason, origin.simulated)
        steps = tuple(sorted(origin.resolution.items()))
        day = repr(origin.replay)
        groups.setdefault((mark, steps, day), (origin, []))[1].append(str(key))
    return {
        "success": True,
        "now": told.now,
        "origins": [_group(origin, keys) for origin, keys in groups.values()],
        "failures": _by_text(told.failures),
        "steps": told.steps,
    }


def _group(origin: Origin, keys: list[str]) -> dict[str, Any]:
    """The keys of one origin; its age to the millisecond."""
    told = {field.name: getattr(origin, field.name) for field in fields(origin)}
    return {**told, "age": round(origin.age, 3), "keys": keys}


@cache
def _form(dataset: str | None) -> TypeAdapter[Any]:
    """The form of an answer: with records of a dataset, or without."""
    if dataset is None:
        return TypeAdapter(ToldForm)
    record: Any = RECORDS[dataset]
    # The name of the field is the contract, its type is what the dataset's records are.
    body: Any = {"__annotations__": {"data": dict[str, record]}, "__module__": __name__}
    return TypeAdapter(type(f"_{dataset}", (ToldForm,), body))


def _parsed(form: TypeAdapter[Any], body: bytes) -> Any:
    try:
        return form.validate_json(body)
    except ValidationError as error:
        raise ValueError("the answer is damaged or of another form") from error


def _told(form: Any, frame: pl.DataFrame | None = None) -> Told:
    if not form.success or form.now.tzinfo is None:
        raise ValueError("the answer does not say when it was given")
    origins: dict[str, Origin] = {}
    for group in form.origins:
        origin = Origin(
            path=group.path,
            age=group.age,
            stale=group.stale,
            reason=group.reason,
            simulated=group.simulated,
            resolution=group.resolution,
            replay=group.replay,
        )
        origins.update(dict.fromkeys(group.keys, origin))
    failures = {
        key: Unanswered(code=each.code, message=each.message, retry_after=each.retry_after)
        for key, each in form.failures.items()
    }
    return Told(
        now=form.now.astimezone(SHANGHAI),
        values=form.data,
        frame=frame,
        origins=origins,
        failures=failures,
        steps=tuple(form.steps),
    )
