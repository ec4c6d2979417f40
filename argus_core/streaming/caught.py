"""A topic, and what a new listener gets of it before the updates that follow."""

from __future__ import annotations

from dataclasses import dataclass, field

from argus_core.model.symbol import Symbol
from argus_core.streaming.lanes import Lane
from argus_core.streaming.topics import Fragment, Key, Update, View, conflates

REMEMBERED = 300
"""Updates of a topic, where each counts, that a listener may still have after a pause."""


@dataclass(slots=True, eq=False)
class Topic:
    """What was said last of a channel of a symbol, and who wants to hear more."""

    channel: str
    symbol: Symbol
    seq: int = 0
    began: int = 0
    """The number before its first update; who heard less heard it in an earlier life."""
    last: Update | None = None
    past: list[Update] = field(default_factory=list[Update])
    """The last updates, where each one counts."""
    lanes: dict[View, dict[Lane, None]] = field(default_factory=dict["View", dict[Lane, None]])
    written: dict[View, Fragment] = field(default_factory=dict["View", Fragment])
    """The last update as it was written, for those who come now."""

    @property
    def key(self) -> Key:
        """The channel and the symbol."""
        return self.channel, self.symbol

    def remember(self, update: Update, written: dict[View, Fragment]) -> None:
        """Let an update be the last one, which was written like that."""
        self.last, self.written = update, written
        if not conflates(self.channel):
            self.past.append(update)
            if len(self.past) > 2 * REMEMBERED:
                del self.past[:-REMEMBERED]

    def shown(self, view: View, last: Update) -> Fragment:
        """The last update in a view; writing it costs more than everything else about it."""
        if not view.lasting:
            return view.fragment(last)
        fragment = self.written.get(view)
        if fragment is None:
            fragment = self.written[view] = view.fragment(last)
        return fragment

    def unlist(self, view: View, lane: Lane) -> None:
        """Hand nothing to a lane any more."""
        lanes = self.lanes[view]
        del lanes[lane]
        if not lanes:
            del self.lanes[view]


@dataclass(frozen=True, slots=True)
class Since:
    """What a listener heard last before a pause."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Caught:
    """What a new listener gets of a topic at first.

    ``missed`` are the updates that he did not hear since his pause and does not get: 0 if he has
    them all, None if that cannot be known.
    """

    key: Key
    fragments: tuple[Fragment, ...] = ()
    missed: int | None = None
    resumed: bool = False
    """True if he goes on where he was, without a snapshot."""


def caught(topic: Topic, view: View, missed: int | None, *, anew: bool = False) -> Caught:
    """What a listener gets of a topic who did not get its last ``missed`` updates.

    One who wants it ``anew`` gets the last update though he may have it in another form.
    """
    if not conflates(topic.channel):
        if missed is None:
            return Caught(topic.key)
        kept = topic.past[-missed:] if missed else []
        fragments = tuple(view.fragment(one) for one in kept)
        return Caught(topic.key, fragments, missed - len(kept), resumed=True)
    if missed == 0 and not anew:
        return Caught(topic.key, missed=0, resumed=True)
    if topic.last is None:
        return Caught(topic.key, missed=missed)
    skipped = missed - 1 if missed else missed
    return Caught(topic.key, (topic.shown(view, topic.last),), skipped)
