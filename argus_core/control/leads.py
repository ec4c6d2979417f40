"""Where the nodes of run-time pools lead, looked up no oftener than needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from argus_core.control.addresses import Door
from argus_core.control.overlay import Led, Overlaid
from argus_core.control.records import PoolRecord, ServerNode
from argus_core.errors import ArgusError, Forbidden


async def led(
    door: Door,
    pools: Mapping[str, PoolRecord],
    known: Mapping[str, str],
    last: Mapping[str, str],
) -> Led:
    """Where the nodes of these pools lead; those that are known are not looked up again.

    A name that cannot be resolved just now leads where it led ``last``.
    """
    ends = {node.at: node for record in pools.values() for node in record.nodes}
    addresses, barred = dict[str, str](), dict[str, str]()

    async def look(at: str, node: ServerNode) -> None:
        try:
            addresses[at] = known.get(at) or await door.address(node.host, node.port)
        except Forbidden as error:
            barred[at] = error.message
        except ArgusError as error:
            if at in last:
                addresses[at] = last[at]
            else:
                barred[at] = error.message

    await asyncio.gather(*(look(at, node) for at, node in ends.items()))
    return Led(addresses=addresses, barred=barred)


def leading(overlaid: Overlaid, *, forget: str | None = None) -> dict[str, str]:
    """Where the nodes lead that are in force, by host and port, but for those of one pool."""
    nodes = [
        (node.at, overlaid.config.sources[name].settings["address"])
        for pool, record in overlaid.pools.items()
        for name, node in record.sources(pool).items()
        if pool != forget
    ]
    return {at: address for at, address in nodes if address}
