"""How many nodes of a pool may be passed over for their health."""

from __future__ import annotations

PANIC = 0.5
"""Below this share of nodes that are well, a pool that must answer asks all of them."""


def may_pass_over(*, well: int, nodes: int, elsewhere: bool) -> bool:
    """True if nodes that are out may be left out of this pool's choice.

    They always may where a later pool of the route can answer (``elsewhere``): going there costs
    less than asking nodes that fail. Where this pool is the last, at least half of its ``nodes``
    must be ``well``; else the few would have to carry the load of all, and what looks like sick
    nodes is more likely a trouble that all share. So never more than half of a pool is out, and
    never the last node that could be asked.
    """
    return elsewhere or well >= PANIC * nodes
