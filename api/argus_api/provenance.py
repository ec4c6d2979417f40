"""Where an answer came from and how old it is, as headers and as ``meta``."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote as percent_encoded

from argus_api.wire import instant
from argus_core.model.answer import UNHEARD, Answer, Failure
from argus_core.model.ask import Ask

_TOKEN = re.compile(r"[A-Za-z0-9._-]+")


def headers_of(answer: Answer[Any], ask: Ask, now: datetime, *, caching: bool) -> dict[str, str]:
    """The headers that every data answer of both dialects carries.

    ``caching`` says whether there is any cache that could have kept what was fetched.
    """
    headers = {
        "X-Argus-Source": ", ".join(_header_text(source) for source in answer.sources),
        "X-Argus-Attempts": str(answer.attempts),
        "X-Argus-Simulated": _flag(answer.simulated),
        "X-Argus-Stale": _flag(answer.stale),
        "Cache-Status": _cache_status(answer, ask, now, caching=caching),
        "Cache-Control": "private, no-cache",
        "Age": str(max(0, int(age_of(answer, now)))),
    }
    if (replay := answer.replay) is not None:
        day, speed = (_header_text(str(replay.get(name, "?"))) for name in ("day", "speed"))
        headers["X-Argus-Replay"] = f"{day}; speed={speed}"
    return headers


def meta_of(
    answer: Answer[Any], ask: Ask, now: datetime, *, inner: Collection[str] = ()
) -> dict[str, Any]:
    """The ``meta`` object of the v1 envelope; sources that are ``inner`` are no hop to tell of."""
    meta: dict[str, Any] = {}
    sources = answer.sources
    if len(sources) > 1:
        meta["sources"] = {str(key): p.giver for key, p in answer.provenance.items()}
    else:
        meta["source"] = sources[0] if sources else None
    via = [name for name in answer.via if name not in inner]
    if via:
        meta["via"] = via
    meta["as_of"] = instant(answer.as_of)
    meta["stale"] = answer.stale
    if answer.reason is not None:
        meta["reason"] = answer.reason
    meta["simulated"] = answer.simulated
    if answer.replay is not None:
        meta["replay"] = answer.replay
    if answer.cached or answer.stale:
        meta["age"] = round(age_of(answer, now), 3)
    if answer.stale and len(answer.provenance) > 1:
        meta["stale_keys"] = [str(key) for key, p in answer.provenance.items() if p.stale]
    if answer.resolution:
        meta["resolution"] = answer.resolution
    meta["trace_id"] = ask.trace_id
    return meta


def age_of(answer: Answer[Any], now: datetime) -> float:
    """Seconds since the oldest value was fetched, 0 where nothing was."""
    fetched = answer.fetched_at
    return 0.0 if fetched is None else max(0.0, (now - fetched).total_seconds())


def explanation(answer: Answer[Any]) -> dict[str, Any]:
    """How the answer was found: the traces, and where each key's value came from."""
    return {
        "traces": answer.traces,
        "keys": {str(key): origin for key, origin in answer.provenance.items()},
    }


def failures(errors: Mapping[str, Failure]) -> dict[str, dict[str, str]]:
    """The ``errors`` object: why each key has no value."""
    return {
        str(key): {"code": failure.code, "message": failure.message}
        for key, failure in errors.items()
    }


def failures_header(errors: Mapping[str, Failure], most: int = 50) -> str:
    """The same in one header line, for formats whose bodies have no room for it."""
    shown = [f"{_header_text(key)}={failure.code}" for key, failure in errors.items()]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f", and {rest} more" if rest > 0 else "")


def _cache_status(answer: Answer[Any], ask: Ask, now: datetime, *, caching: bool) -> str:
    """RFC 9211: a hit names the tier, a forward says why it went on to a source."""
    if not ask.use_cache:
        return "argus; fwd=bypass"
    if not answer.cached:
        partly = any(p.cache for p in answer.provenance.values())
        until, since = answer.fresh_until, answer.fetched_at
        stored = caching and until is not None and since is not None and until > since
        return f"argus; fwd={'partial' if partly else 'miss'}" + ("; stored" if stored else "")
    tiers = dict.fromkeys(p.cache for p in answer.provenance.values() if p.cache)
    until = answer.fresh_until or now
    ttl = math.floor((until - now).total_seconds())
    # What was asked for in vain and then served all the same went forward: that is no hit.
    how = "fwd=stale" if (answer.reason or "").startswith(UNHEARD) else "hit"
    return ", ".join(f"{_cache_name(tier)}; {how}; ttl={ttl}" for tier in tiers)


def _cache_name(tier: str) -> str:
    name = f"argus-{tier}"
    return name if _TOKEN.fullmatch(name) else f'"{_header_text(name)}"'


def _header_text(text: str) -> str:
    """``text`` as header bytes can hold it; operators may name a source in Chinese."""
    return percent_encoded(text, safe=" ._-:/@")


def _flag(value: bool) -> str:  # noqa: FBT001 - it is the value itself
    return "true" if value else "false"
