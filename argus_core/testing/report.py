"""What came of putting a plugin to the proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson

Verdict = Literal["pass", "fail", "skip", "exempt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check's verdict. ``why`` says what to change, why it was skipped, or why exempt."""

    id: str
    name: str
    demand: str
    verdict: Verdict
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A plugin's verdicts in order, and per dataset the fields that its answers ever filled."""

    plugin: str
    kind: str
    rows: tuple[Row, ...]
    fields_seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows whose check failed."""
        return tuple(row for row in self.rows if row.verdict == "fail")

    @property
    def ok(self) -> bool:
        """True if no check failed."""
        return not self.failed

    @property
    def exempt(self) -> Mapping[str, str]:
        """The reasons of the exemptions, by check."""
        return {row.id: row.why for row in self.rows if row.verdict == "exempt"}

    def counts(self) -> Mapping[str, int]:
        """How many checks ended with each verdict."""
        every: Iterable[Verdict] = ("pass", "fail", "skip", "exempt")
        return {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in every}

    def to_json(self) -> str:
        """The report as JSON: plugin, kind, ok, rows, fields_seen."""
        table: dict[str, Any] = {"plugin": self.plugin, "kind": self.kind, "ok": self.ok}
        table["rows"] = [asdict(row) for row in self.rows]
        table["fields_seen"] = {name: list(found) for name, found in self.fields_seen.items()}
        return orjson.dumps(table, option=orjson.OPT_INDENT_2).decode()
