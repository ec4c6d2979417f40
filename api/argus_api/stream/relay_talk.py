"""The talk with another gateway: as with any client, but it says through whom it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from argus_api.stream.asks import want_of
from argus_api.stream.relay import Relay
from argus_api.stream.talk import Talk
from argus_core import BadParameter
from argus_core.errors import Loop
from argus_core.streaming.feed import FeedLane
from argus_core.streaming.topics import FEED, QUOTES

AT_ONCE = 1000
"""Symbols in one message; how many a gateway listens to is not limited."""
MOST_BEHIND = 1000
"""Gateways through which one may ask: it is a net of them, not only a chain."""


class RelayTalk(Talk):
    """The talk with another gateway."""

    @property
    def _most(self) -> int:
        return AT_ONCE

    async def _subscribe(self, body: Mapping[str, Any]) -> None:
        streaming, connection = self._audience.streaming, self.connection
        want = replace(want_of({**body, "channel": QUOTES}, most=self._most), channel=FEED)
        behind = _behind(body, self._audience.gateway.id)
        dialect, lane = connection.dialect, connection.lane(0.0, FeedLane)
        assert isinstance(dialect, Relay)  # noqa: S101 - the door makes this talk with no other
        assert isinstance(lane, FeedLane)  # noqa: S101 - it is the only lane of such a connection
        streaming.feeds.add(lane)
        try:
            # Known before anybody is asked to bring these, for whoever is asked must know it.
            lane.behind |= dict.fromkeys(want.symbols, behind)
            with streaming.held(want.symbols):
                ready = await streaming.ready(FEED, want.symbols)
                if not connection.wire.open:
                    return
                view = dialect.view(FEED, None)
                caught = streaming.hub.listen(lane, view, ready.symbols, want.since)
                lane.behind |= dict.fromkeys(ready.symbols, behind)
        finally:
            heard = streaming.hub.heard(connection)
            for symbol in want.symbols:
                if (FEED, symbol) not in heard:
                    lane.behind.pop(symbol, None)
        self._acknowledge(dialect, want, body, caught, {**want.rejected, **ready.rejected})


def _behind(body: Mapping[str, Any], gateway: str) -> frozenset[str]:
    """The ids of the gateways that a subscription comes through; :class:`Loop` if we are one."""
    ids: Any = body.get("via", [])
    if not isinstance(ids, list) or not all(_is_id(one) for one in cast("list[object]", ids)):
        raise BadParameter(
            "via must be a list of the ids of gateways", details={"parameter": "via"}
        )
    behind = frozenset(cast("list[str]", ids))
    if len(behind) > MOST_BEHIND:
        raise Loop(f"this comes through {len(behind)} gateways, and {MOST_BEHIND} may be")
    if gateway in behind:
        raise Loop("this comes from here: gateways listen to one another in a circle")
    return behind


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isalnum()
