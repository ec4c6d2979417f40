"""The ``[routes]`` table: which pools are asked for which dataset, in failover order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, cast

from pydantic import Field

from argus_core.errors import ConfigError
from argus_core.extend.source import DATASETS
from argus_core.model.period import Period
from argus_core.model.symbol import Exchange
from argus_core.tables import Table
from argus_core.telemetry.mistakes import made, unknown

_RULES = "_rules"


class RouteRule(Table):
    """A finer route: used where every condition that it states holds."""

    markets: frozenset[Exchange] = Field(
        default=frozenset(), description="Exchanges; empty means all."
    )
    periods: frozenset[Period] = Field(
        default=frozenset(), description="Bar periods; empty means all."
    )
    pools: tuple[str, ...] = Field(min_length=1, description="Pools, in failover order.")


_ROUTE = cast("type[tuple[str, ...]]", Annotated[tuple[str, ...], Field(min_length=1)])


class Routes(Table):
    """Failover order: for each dataset the pools to ask, best first."""

    default: tuple[str, ...] = ()
    by_dataset: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rules: dict[str, tuple[RouteRule, ...]] = Field(default_factory=dict)

    @classmethod
    def parse(cls, table: Mapping[str, Any], where: str) -> Routes:
        """The routes of the ``[routes]`` table, whose keys are ``default``, datasets and rules."""
        known = ["default", *DATASETS, *(name + _RULES for name in DATASETS)]
        place = f"{where}, [routes]"
        lists: dict[str, tuple[str, ...]] = {}
        rules: dict[str, tuple[RouteRule, ...]] = {}
        for key, value in table.items():
            if key not in known:
                fix = "name a dataset: " + ", ".join(known)
                raise ConfigError(unknown(key, known), where=place, fix=fix)
            if key.endswith(_RULES):
                rules[key.removesuffix(_RULES)] = tuple(_rules(key, value, where))
            else:
                lists[key] = made(_ROUTE, value, place, key)
        default = lists.pop("default", ())
        return cls(default=default, by_dataset=lists, rules=rules)

    def all_routes(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Every route with the key that defines it."""
        yield "default", self.default
        yield from self.by_dataset.items()
        for dataset, rules in self.rules.items():
            for rule in rules:
                yield dataset + _RULES, rule.pools


def _rules(key: str, value: object, where: str) -> Iterable[RouteRule]:
    if not isinstance(value, list | tuple):
        raise ConfigError(
            f"{key} must be a list of tables",
            where=f"{where}, [routes]",
            fix=f"write [[routes.{key}]] above the keys of each rule",
        )
    for number, rule in enumerate(cast("list[Any]", value), 1):
        yield made(RouteRule, rule, f"{where}, [[routes.{key}]] number {number}")
