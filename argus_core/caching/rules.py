"""Which rule holds for each dataset, and the rules that are in force in one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from argus_core.cache_tables import DEFAULT_RULES, CacheRule, RuleName
from argus_core.errors import BadParameter
from argus_core.telemetry.mistakes import explain, nearest

RULE_OF: Mapping[str, RuleName] = MappingProxyType(
    {
        "quotes": "LATEST_DATA",
        "depth": "LATEST_DATA",
        "bars": "HISTORY_DATA",
        "ticks": "HISTORY_DATA",
        "factors": "HISTORY_DATA",
        "instruments": "BASIC_INFO",
        "listings": "BASIC_INFO",
        "calendar": "BASIC_INFO",
        "sectors": "BASIC_INFO",
        "main_contracts": "BASIC_INFO",
        "chart_panels": "BASIC_INFO",
    }
)
"""The rule of each dataset."""


class Rules:
    """The cache rules in force: as configured, until an operator changes one at run time."""

    def __init__(self, configured: Mapping[str, CacheRule] = DEFAULT_RULES) -> None:
        self._configured = {**DEFAULT_RULES, **configured}
        self._current = dict(self._configured)

    def __iter__(self) -> Iterator[str]:
        return iter(self._current)

    def __len__(self) -> int:
        return len(self._current)

    def __getitem__(self, name: str) -> CacheRule:
        """The rule in force under ``name``; ``BadParameter`` if there is none of that name."""
        try:
            return self._current[name]
        except KeyError:
            raise self._unknown(name) from None

    def of(self, dataset: str) -> CacheRule:
        """The rule in force for a dataset."""
        return self._current[RULE_OF[dataset]]

    def configured(self, name: str) -> CacheRule:
        """The rule as plugins.toml has it, whatever was changed since."""
        try:
            return self._configured[name]
        except KeyError:
            raise self._unknown(name) from None

    def change(self, name: str, **fields: Any) -> CacheRule:
        """The rule ``name`` with these fields replaced, from now on in force in this process.

        ``BadParameter`` names a rule or field that does not exist, or a value that is not allowed;
        nothing is changed then.
        """
        try:
            changed = CacheRule.model_validate({**self[name].model_dump(), **fields})
        except ValidationError as error:
            mistake = explain(error, name, CacheRule, show=True)
            raise BadParameter(f"{name}: {mistake.message}") from None
        self._current[name] = changed
        return changed

    def reconfigure(self, configured: Mapping[str, CacheRule]) -> None:
        """Go by another plugins.toml; a rule that it leaves as it was stays as it is here."""
        before, self._configured = self._configured, {**DEFAULT_RULES, **configured}
        changed = {n: rule for n, rule in self._configured.items() if rule != before.get(n)}
        self._current.update(changed)

    def _unknown(self, name: str) -> BadParameter:
        known = ", ".join(self._current)
        hint = nearest(name, self._current)
        return BadParameter(f"there is no cache rule {name!r}{hint}; rules: {known}")
