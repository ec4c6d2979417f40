"""Scopes: what a vendor allows, limits and fails together."""

from __future__ import annotations

from collections.abc import Iterable

from argus_core.market.kinds import kind_of
from argus_core.model.query import BarsQuery, Query
from argus_core.model.symbol import Symbol


def scopes_of(query: Query, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The keys by scope: what a vendor allows, limits and fails together.

    That is the dataset, for bars with the period, for symbols with the kind: `bars:1m:stock`.
    """
    dataset = dataset_of(query)
    scopes: dict[str, list[str]] = {}
    for key in keys:
        scope = f"{dataset}:{kind_of(key)}" if isinstance(key, Symbol) else dataset
        scopes.setdefault(scope, []).append(key)
    return {scope: tuple(members) for scope, members in scopes.items()}


def dataset_of(query: Query) -> str:
    """The dataset of a query, for bars with the period: `bars:1m`."""
    if isinstance(query, BarsQuery):
        return f"{query.dataset}:{query.period}"
    return query.dataset
