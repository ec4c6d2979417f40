"""What is known of each series that a question asks for, while it is being answered."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date

from argus_core.history.archive import Spans
from argus_core.model.answer import Failure, Provenance
from argus_core.model.symbol import Symbol
from argus_core.past.forms import Form, Range
from argus_core.past.outcomes import Whole
from argus_core.past.plan import Choice, Gap, choose, days_within
from argus_core.past.reader import NOTHING
from argus_core.routing.node import Node

Pools = tuple[tuple[Node, ...], ...]


@dataclass(slots=True)
class Want:
    """One series: who could answer it, what is archived of it, and who has failed so far."""

    symbol: Symbol
    asked: Range
    sealed: date
    pools: Pools
    barred: frozenset[str]
    """Sources whose word is not taken."""
    spans: dict[str, Spans] = field(default_factory=dict[str, Spans])
    passed: set[str] = field(default_factory=set[str])
    """Sources that failed or have nothing."""
    failures: list[Failure] = field(default_factory=list[Failure])
    absent: Provenance | None = None
    unsure: bool = False
    spare: Whole | None = None
    """An answer that is stale, should nobody have a better one."""
    desperate: bool = False
    """Whether sources that are cooling down may be asked too."""
    left: int = 0
    """How many sources could be asked if the present attempt fails."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes whose word is taken, in route order."""
        nodes = {node.name: node for pool in self.pools for node in pool}
        return tuple(node for name, node in nodes.items() if name not in self.barred)

    @property
    def names(self) -> tuple[str, ...]:
        """The sources whose word is taken, in route order."""
        return tuple(node.name for node in self.nodes)

    def days(self, source: str) -> int:
        """How many of the asked dates are archived of a source."""
        return days_within(self.spans.get(source, NOTHING), *self.asked)

    def gaps(self, form: Form, source: str | None) -> tuple[Gap, ...]:
        """What a source would have to be asked for; all of it if no owner is named."""
        if source is not None:
            return form.gaps(self.spans.get(source, NOTHING), self.asked, self.sealed)
        whole = Gap(*self.asked, open=True, sealable=False)
        # Without a trading date there is nothing to seal, but the source may be heard.
        return form.gaps(NOTHING, self.asked, self.sealed) or (whole,)

    def covered(self, form: Form, source: str) -> bool:
        """True if all that is settled of the question is archived of the source."""
        return not any(gap.sealable for gap in self.gaps(form, source))

    def usable(self, form: Form, ready: Mapping[str, Container[str]]) -> frozenset[str]:
        """The sources that can be asked now, or whose archived days may do without asking."""
        return frozenset(
            name
            for name in self.names
            if name not in self.passed
            and (
                self.symbol in ready.get(name, ())
                or (self.days(name) > 0 and (not ready or self.covered(form, name)))
            )
        )

    def choice(self, usable: Container[str]) -> Choice | None:
        """Whom to turn to next; None if nobody is left."""
        pools = [[node.name for node in pool] for pool in self.pools]
        return choose(pools, {name: self.days(name) for name in self.names}, usable)

    def peers(self, sources: Container[str]) -> set[str]:
        """All sources of the pools of these: what one does not have, its peers have not."""
        return {
            node.name
            for pool in self.pools
            if any(node.name in sources for node in pool)
            for node in pool
        }
