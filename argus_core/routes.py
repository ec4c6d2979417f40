"""The ``[routes]`` table: which pools are asked for which dataset, in failover order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from argus_core.errors import ConfigError
from argus_core.extend.source import DATASETS
from argus_core.model.period import Period
from argus_core.model.symbol import Exchange
from argus_core.tables import Table
from argus_core.telemetry.mistakes import made, unknown

DEFAULT = "default"
"""The route of every dataset that has none of its own."""
_RULES = "_rules"

Order = Literal["written", "quality"]
"""Whether failover goes down the list as it is written, or as the sources prove."""


class Route(Table):
    """The pools to ask, and in which order."""

    pools: tuple[str, ...] = Field(min_length=1, description="Pools, in failover order.")
    order: Order = Field(
        default="written",
        description="`quality`: whoever proves best is asked first, the written order decides "
        "among near equals.",
    )


class RouteRule(Route):
    """A finer route: used where every condition that it states holds."""

    markets: frozenset[Exchange] = Field(
        default=frozenset(), description="Exchanges; empty means all."
    )
    periods: frozenset[Period] = Field(
        default=frozenset(), description="Bar periods; empty means all."
    )


_ROUTE = cast("type[tuple[str, ...]]", Annotated[tuple[str, ...], Field(min_length=1)])


class Routes(Table):
    """Failover order: for each dataset the pools to ask, best first."""

    default: tuple[str, ...] = ()
    by_dataset: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rules: dict[str, tuple[RouteRule, ...]] = Field(default_factory=dict)
    by_quality: frozenset[str] = frozenset()
    """The datasets, or ``default``, whose written pools are asked in the order of their merit."""
    derived: bool = False
    """True if nobody wrote ``default``: it is every pool and lone source in written order."""

    def of(self, dataset: str) -> tuple[str, ...] | None:
        """The written route of a dataset, or of ``default``; None if nobody wrote one."""
        if dataset == DEFAULT:
            return None if self.derived or not self.default else self.default
        return self.by_dataset.get(dataset)

    def plain(self, dataset: str) -> tuple[tuple[str, ...], bool]:
        """The pools of a dataset where no rule is finer, and whether their merit orders them."""
        key = dataset if dataset in self.by_dataset else DEFAULT
        return self.by_dataset.get(key, self.default), key in self.by_quality

    def order(self, dataset: str) -> Order:
        """How the pools of :meth:`plain` are asked: as written, or by merit."""
        return "quality" if self.plain(dataset)[1] else "written"

    def with_route(self, dataset: str, pools: tuple[str, ...], order: Order = "written") -> Routes:
        """The same routes with another one for a dataset, or for ``default``."""
        others = self.by_quality - {dataset}
        by_quality = others | {dataset} if order == "quality" else others
        if dataset == DEFAULT:
            change: dict[str, Any] = {"default": pools, "derived": False}
        else:
            change = {"by_dataset": {**self.by_dataset, dataset: pools}}
        return self.model_copy(update={**change, "by_quality": by_quality})

    @classmethod
    def parse(cls, table: Mapping[str, Any], where: str) -> Routes:
        """The routes of the ``[routes]`` table, whose keys are ``default``, datasets and rules."""
        known = [DEFAULT, *DATASETS, *(name + _RULES for name in DATASETS)]
        place = f"{where}, [routes]"
        lists: dict[str, tuple[str, ...]] = {}
        by_quality: set[str] = set()
        rules: dict[str, tuple[RouteRule, ...]] = {}
        for key, value in table.items():
            if key not in known:
                fix = "name a dataset: " + ", ".join(known)
                raise ConfigError(unknown(key, known), where=place, fix=fix)
            if key.endswith(_RULES):
                rules[key.removesuffix(_RULES)] = tuple(_rules(key, value, where))
            else:
                route = _route(key, value, where)
                lists[key] = route.pools
                by_quality.update([key] if route.order == "quality" else [])
        default = lists.pop(DEFAULT, ())
        return cls(default=default, by_dataset=lists, rules=rules, by_quality=frozenset(by_quality))

    def all_routes(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Every route with the key that defines it."""
        yield DEFAULT, self.default
        yield from self.by_dataset.items()
        for dataset, rules in self.rules.items():
            for rule in rules:
                yield dataset + _RULES, rule.pools


def _route(key: str, value: object, where: str) -> Route:
    """A route as a table, or as the list that is short for one that holds nothing else."""
    if isinstance(value, Mapping):
        return made(Route, cast("Mapping[str, Any]", value), f"{where}, [routes.{key}]")
    return Route(pools=made(_ROUTE, value, f"{where}, [routes]", key))


def _rules(key: str, value: object, where: str) -> Iterable[RouteRule]:
    if not isinstance(value, list | tuple):
        raise ConfigError(
            f"{key} must be a list of tables",
            where=f"{where}, [routes]",
            fix=f"write [[routes.{key}]] above the keys of each rule",
        )
    for number, rule in enumerate(cast("list[Any]", value), 1):
        yield made(RouteRule, rule, f"{where}, [[routes.{key}]] number {number}")
