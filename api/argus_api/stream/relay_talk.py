"""The talk with another gateway: as with any client, but it says through whom it comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from argus_api.stream.asks import want_of
from argus_api.stream.relay import Relay
from argus_api.stream.talk import Talk
from argus_core import BadParameter, NotOffered, Symbol
from argus_core.errors import Loop
from argus_core.streaming.feed import FeedLane, SilentLane
from argus_core.streaming.lanes import Lane
from argus_core.streaming.topics import FEED, QUOTES

AT_ONCE = 1000
"""Symbols in one message; how many a gateway listens to is not limited."""
MOST_BEHIND = 1000
"""Gateways through which one may ask: it is a net of them, not only a chain."""
_NOWHERE = (None, None)


class RelayTalk(Talk):
    """The talk with another gateway."""

    speaks_for = 100.0
    _silent: SilentLane | None = None

    @property
    def _most(self) -> int:
        return AT_ONCE

    def _offered(self) -> Mapping[str, Any]:
        fanout = self._audience.fanout
        more = {} if fanout is None else {"fanout": fanout.id}
        return {**super()._offered(), **more}

    async def _answered(self, body: Mapping[str, Any]) -> None:
        if body.get("action") != "follow":
            await super()._answered(body)
            return
        fanout = self._audience.fanout
        if fanout is None:
            raise NotOffered("there is no cache here over which gateways could follow")
        fanout.enter(self.connection)
        self.answer({"type": "following", "fanout": fanout.id}, body)

    async def _subscribe(self, body: Mapping[str, Any]) -> None:
        streaming, connection = self._audience.streaming, self.connection
        want = replace(want_of({**body, "channel": QUOTES}, most=self._most), channel=FEED)
        behind = _behind(body, self._audience.gateway.id)
        dialect, lane = connection.dialect, self._lane(body)
        assert isinstance(dialect, Relay)  # noqa: S101 - the door makes this talk with no other
        streaming.feeds.add(lane)
        try:
            # Known before anybody is asked to bring these, for whoever is asked must know it.
            lane.behind |= dict.fromkeys(want.symbols, behind)
            with streaming.held(want.symbols):
                ready = await streaming.ready(FEED, want.symbols)
                if not connection.wire.open:
                    return
                connection.say()  # what waits for it goes first: it is not lost
                self._end_other_ways(lane, ready.symbols, anew=bool(want.since))
                view = dialect.view(FEED, None)
                caught = streaming.hub.listen(lane, view, ready.symbols, want.since)
                lane.behind |= dict.fromkeys(ready.symbols, behind)
                if isinstance(lane, SilentLane) and self._audience.fanout is not None:
                    self._audience.fanout.hold(ready.symbols)
        finally:
            heard = streaming.hub.heard(connection)
            for symbol in want.symbols:
                if heard.get((FEED, symbol), _NOWHERE)[1] is not lane:
                    lane.behind.pop(symbol, None)
        over = body["over"] if isinstance(lane, SilentLane) else ""
        rejected = {**want.rejected, **ready.rejected}
        self._acknowledge(dialect, want, body, caught, rejected, over=over)

    def _lane(self, body: Mapping[str, Any]) -> FeedLane:
        """Where the values of a subscription go: over the cache, or over this connection."""
        fanout, connection = self._audience.fanout, self.connection
        if fanout is None or body.get("over") != fanout.id or not fanout.follows(connection):
            lane = connection.lane(0.0, FeedLane)
            assert isinstance(lane, FeedLane)  # noqa: S101 - such a connection has no other
            return lane
        if self._silent is None:
            self._silent = SilentLane(connection, fanout.release)
        return self._silent

    def _end_other_ways(self, lane: Lane, symbols: Iterable[Symbol], *, anew: bool) -> None:
        """Hear these no more in another way; ``anew``: nor in the same one.

        Whoever says what he has heard so far knows better than we what was lost on the way.
        """
        heard = self._audience.streaming.hub.heard(self.connection)
        keys = [(FEED, symbol) for symbol in symbols if (FEED, symbol) in heard]
        own = [key for key in keys if anew or heard[key][1] is not lane]
        self._audience.streaming.hub.stop(self.connection, own)


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
