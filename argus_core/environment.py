"""What the environment sets besides plugins.toml: the address, a life, the defaults of pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from argus_core.cache_tables import DEFAULT_RULES, CacheRule
from argus_core.errors import ConfigError
from argus_core.tables import PoolLimits
from argus_core.telemetry.mistakes import made

_SERVER = {
    "ARGUS_HOST": "host",
    "QMT_DATA_AGENT_PORT": "port",
    "ARGUS_PORT": "port",
}
_DEFAULT_TTL = "CACHE_TTL_DEFAULT"
_POOLS = {
    "POOL_MIN_SIZE": "min_size",
    "POOL_MAX_SIZE": "max_size",
    "POOL_AUTO_SCALE": "auto_scale",
}
_PLACE = "the environment"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that sets a key; ``first`` if it does so whatever the file says."""

    name: str
    table: str
    key: str
    first: bool


def variables() -> Iterator[Variable]:
    """Every variable that the core reads; of two for one key the later counts."""
    for name, key in _SERVER.items():
        yield Variable(name, "[server]", key, first=True)
    yield Variable(_DEFAULT_TTL, "[cache_rules.LATEST_DATA]", "ttl", first=False)
    for name, key in _POOLS.items():
        yield Variable(name, "[pools.NAME]", key, first=False)


def server_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """The keys of ``[server]`` that are set, by name; the later variable wins."""
    return {key: environ[name] for name, key in _SERVER.items() if environ.get(name)}


def default_ttl(environ: Mapping[str, str]) -> float | None:
    """The life of the latest data in seconds, if it is set."""
    given = environ.get(_DEFAULT_TTL)
    if not given:
        return None
    rule = {**DEFAULT_RULES["LATEST_DATA"].model_dump(), "ttl": given}
    try:
        return made(CacheRule, rule, _PLACE).ttl
    except ConfigError as error:
        raise ConfigError(
            f"{_DEFAULT_TTL}={given!r}: " + error.message.removeprefix("ttl: "),
            where=_PLACE,
            fix=f"give seconds, such as {_DEFAULT_TTL}=3, or unset it",
        ) from None


def pool_defaults(environ: Mapping[str, str]) -> dict[str, Any]:
    """The keys of every pool's limits that are set; a pool's own table goes before them."""
    given = {name: key for name, key in _POOLS.items() if environ.get(name)}
    try:
        limits = made(PoolLimits, {key: environ[name] for name, key in given.items()}, _PLACE)
    except ConfigError as error:
        told = ", ".join(f"{name}={environ[name]!r}" for name in given)
        raise ConfigError(
            f"{told}: {error.message}",
            where=_PLACE,
            fix="give whole numbers with POOL_MIN_SIZE at most POOL_MAX_SIZE "
            f"({PoolLimits().max_size} if unset) and POOL_AUTO_SCALE true or false, or unset them",
        ) from None
    return {key: getattr(limits, key) for key in given.values()}


def pool_variables(environ: Mapping[str, str]) -> str:
    """The variables of :func:`pool_defaults` that are set, as a list in words; empty if none."""
    return ", ".join(name for name in _POOLS if environ.get(name))
