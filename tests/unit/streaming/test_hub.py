"""The hub: shared topics, numbers without a hole, and nothing left of those who have gone."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.feeding import Ear, Seen
from support.sources import symbols

from argus_core.streaming.caught import REMEMBERED
from argus_core.streaming.hub import Hub, Since
from argus_core.streaming.lanes import QUEUED
from argus_core.streaming.topics import DEPTH, QUOTES, TRADES, Carrier, Notice, conflates

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")
CARRIER = Carrier("feed", "push")
EPOCH = "e1"
QUOTE, FORM, TRADE = Seen(QUOTES), Seen(QUOTES, "other"), Seen(TRADES)


class Supply:
    """Knows what is brought; nothing is wanted twice, or dropped that is not brought."""

    def __init__(self):
        self.brought = set()

    def want(self, wanted):
        for symbol in wanted:
            assert symbol not in self.brought
            self.brought.add(symbol)

    def drop(self, dropped):
        for symbol in dropped:
            self.brought.remove(symbol)


class Timers:
    """Graces that pass when the test says so."""

    def __init__(self):
        self.waiting = []

    def later(self, seconds, act):
        timer = Timer(self, seconds, act)
        self.waiting.append(timer)
        return timer

    def pass_(self):
        for timer in list(self.waiting):
            self.waiting.remove(timer)
            timer.act()


class Timer:
    def __init__(self, timers, seconds, act):
        self.timers, self.seconds, self.act = timers, seconds, act

    def cancel(self):
        self.timers.waiting.remove(self)


@pytest.fixture
def timers():
    return Timers()


@pytest.fixture
def supply():
    return Supply()


@pytest.fixture
def hub(timers, supply):
    return Hub(epoch=EPOCH, grace=7.0, supply=supply, later=timers.later)


def say(hub, symbol, value, channel=QUOTES):
    return hub.say((channel, symbol), value, CARRIER, None)


class TestWhoListens:
    def test_one_supply_for_all_who_listen(self, hub, supply):
        ears = [Ear() for _ in range(3)]
        for ear in ears:
            hub.listen(ear.lane, QUOTE, (A,))
        assert supply.brought == {A}
        assert hub.subscriptions == 3
        for ear in ears[:2]:
            hub.leave(ear)
        assert supply.brought == {A}

    def test_the_grace_outlives_the_last_listener(self, hub, supply, timers):
        ear = Ear()
        hub.listen(ear.lane, QUOTE, (A,))
        hub.leave(ear)
        assert supply.brought == {A}
        assert [timer.seconds for timer in timers.waiting] == [7.0]
        timers.pass_()
        assert supply.brought == set()

    def test_whoever_comes_back_within_the_grace_finds_it_running(self, hub, supply, timers):
        ear = Ear()
        hub.listen(ear.lane, QUOTE, (A,))
        say(hub, A, 1)
        hub.leave(ear)
        (caught,) = hub.listen(ear.lane, QUOTE, (A,))
        assert not timers.waiting
        assert [update.value for update in caught.fragments] == [1]
        assert supply.brought == {A}

    def test_a_hold_keeps_it_as_a_listener_does(self, hub, supply, timers):
        hub.hold((A, B))
        hub.hold((A,))
        hub.release((A, B))
        timers.pass_()
        assert supply.brought == {A}
        hub.release((A,))
        timers.pass_()
        assert supply.brought == set()

    def test_each_channel_of_a_symbol_counts(self, hub, supply, timers):
        ear = Ear()
        for view in (QUOTE, TRADE, Seen(DEPTH)):
            hub.listen(ear.lane, view, (A,))
        assert hub.stop(ear, [(QUOTES, A), (DEPTH, A), (QUOTES, B)]) == ((QUOTES, A), (DEPTH, A))
        timers.pass_()
        assert supply.brought == {A}
        assert set(hub.heard(ear)) == {(TRADES, A)}

    def test_the_same_symbol_twice_is_once(self, hub, supply, timers):
        ear = Ear()
        hub.listen(ear.lane, QUOTE, (A, A))
        say(hub, A, 1)
        assert [update.value for update in ear.updates] == [1]
        hub.stop(ear, [(QUOTES, A), (QUOTES, A)])
        timers.pass_()
        assert supply.brought == set()

    def test_what_is_said_though_nobody_holds_it_goes_after_the_grace(self, hub, supply, timers):
        say(hub, A, 1)
        assert supply.brought == {A}
        timers.pass_()
        assert not hub.topics
        assert supply.brought == set()

    def test_the_end_leaves_no_timer(self, hub, supply, timers):
        ear = Ear()
        hub.listen(ear.lane, QUOTE, (A, B))
        hub.stop(ear, [(QUOTES, A)])
        hub.close()
        assert not timers.waiting
        assert supply.brought == {B}


class TestWhatIsHeard:
    def test_a_view_is_made_once_for_all_who_share_it(self, hub):
        class Counting(Seen):
            made = 0

            def fragment(self, update):
                Counting.made += 1
                return update

        ears = [Ear() for _ in range(5)]
        for ear in ears:
            hub.listen(ear.lane, Counting(), (A,))
        say(hub, A, 1)
        assert Counting.made == 1
        assert all([update.value for update in ear.updates] == [1] for ear in ears)

    def test_another_view_of_what_one_hears_already_shows_it_at_once(self, hub):
        ear = Ear()
        hub.listen(ear.lane, QUOTE, (A,))
        say(hub, A, 1)
        say(hub, A, 2)
        (caught,) = hub.listen(ear.lane, FORM, (A,))
        assert [update.value for update in caught.fragments] == [2]
        assert caught.missed == 1  # the first was replaced before it was sent
        assert ear.updates == []
        say(hub, A, 3)
        assert [update.value for update in ear.updates] == [3]

    def test_trades_that_waited_come_back_in_another_view(self, hub):
        ear = Ear()
        hub.listen(ear.lane, TRADE, (A,))
        for number in range(3):
            say(hub, A, number, TRADES)
        (caught,) = hub.listen(ear.lane, Seen(TRADES, "other"), (A,))
        assert [update.value for update in caught.fragments] == [0, 1, 2]
        assert (caught.missed, caught.resumed) == (0, True)
        assert ear.updates == []

    def test_trades_that_were_too_many_may_still_be_remembered(self, hub):
        ear = Ear()
        hub.listen(ear.lane, TRADE, (A,))
        many = QUEUED + 20
        for number in range(many):
            say(hub, A, number, TRADES)
        (caught,) = hub.listen(ear.lane, Seen(TRADES, "other"), (A,))
        assert [update.value for update in caught.fragments] == list(range(many))
        assert caught.missed == 0

    def test_whoever_has_heard_it_all_goes_on_without_a_snapshot(self, hub):
        ear = Ear()
        hub.listen(ear.lane, QUOTE, (A,))
        last = say(hub, A, 1)
        hub.leave(ear)
        (caught,) = hub.listen(ear.lane, QUOTE, (A,), {A: Since(EPOCH, last.seq)})
        assert (caught.fragments, caught.missed, caught.resumed) == ((), 0, True)

    @pytest.mark.parametrize("since", [Since("other", 1), Since(EPOCH, 99), Since(EPOCH, -1)])
    def test_what_a_pause_cost_is_unknown_where_the_numbers_mean_nothing(self, hub, since):
        say(hub, A, 1)
        for view in (QUOTE, TRADE):
            (caught,) = hub.listen(Ear().lane, view, (A,), {A: since})
            assert caught.missed is None
            assert not caught.resumed

    def test_nobody_goes_on_over_a_time_when_nobody_brought_it(self, hub, timers):
        ear = Ear()
        hub.listen(ear.lane, TRADE, (A,))
        last = say(hub, A, 1, TRADES)
        hub.leave(ear)
        timers.pass_()
        (caught,) = hub.listen(ear.lane, TRADE, (A,), {A: Since(EPOCH, last.seq)})
        assert (caught.missed, caught.resumed) == (None, False)
        assert say(hub, A, 2, TRADES).seq > last.seq + 1

    def test_more_than_is_remembered_is_missed_by_so_many(self, hub):
        ear = Ear()
        hub.listen(ear.lane, TRADE, (A,))
        many = 5 * REMEMBERED
        for number in range(many):
            say(hub, A, number, TRADES)
        (caught,) = hub.listen(Ear().lane, TRADE, (A,), {A: Since(EPOCH, 0)})
        numbers = [update.seq for update in caught.fragments]
        assert REMEMBERED <= len(numbers) <= 2 * REMEMBERED
        assert numbers == list(range(many - len(numbers) + 1, many + 1))
        assert caught.missed == many - len(numbers)


class TestNotices:
    def test_each_is_told_of_his_own_symbols(self, hub):
        both, one, none = Ear(), Ear(), Ear()
        hub.listen(both.lane, QUOTE, (A, B))
        hub.listen(both.lane, TRADE, (A,))
        hub.listen(one.lane, TRADE, (B,))
        hub.listen(none.lane, QUOTE, (C,))
        hub.tell(Notice("gap", (A, B), {"reason": "x"}))
        assert [told["symbols"] for told in both.told] == [(A, B)]
        assert [told["symbols"] for told in one.told] == [(B,)]
        assert none.told == []

    def test_one_who_cannot_be_told_does_not_keep_it_from_the_others(self, hub):
        class Broken(Ear):
            def notice(self, notice):
                raise OSError("gone")

        broken, good = Broken(), Ear()
        for ear in (broken, good):
            hub.listen(ear.lane, QUOTE, (A,))
        hub.tell(Notice("gap", (A,)))
        assert [told["kind"] for told in good.told] == ["gap"]


CHANNELS = st.sampled_from([QUOTES, TRADES])
SYMBOLS = st.sampled_from([A, B, C])
WHO = st.integers(0, 3)
FORMS = st.sampled_from(["plain", "other"])


class Hearing(RuleBasedStateMachine):
    """Several listeners with views and paces of their own, whatever they do, in whatever order."""

    def __init__(self):
        super().__init__()
        self.timers, self.supply = Timers(), Supply()
        self.hub = Hub(epoch=EPOCH, grace=1.0, supply=self.supply, later=self.timers.later)
        self.ears = [(Ear(), Ear(1.0)) for _ in range(4)]
        for first, second in self.ears:
            second.lane.listener = first  # one listener, two paces
        self.value = 0
        self.last = {}
        self.known = [{} for _ in self.ears]
        """For each listener and topic the last number that he has heard, or was told he misses."""
        self.paused = [{} for _ in self.ears]

    # -- what is said -------------------------------------------------------------------------

    @rule(channel=CHANNELS, symbol=SYMBOLS, many=st.sampled_from([1, 1, 2, 5, 300, 700]))
    def say(self, channel, symbol, many):
        for _ in range(many):
            self.value += 1
            update = say(self.hub, symbol, self.value, channel)
            self.last[channel, symbol] = (update.seq, self.value)

    @rule(asked=st.lists(SYMBOLS, min_size=1, unique=True))
    def tell(self, asked):
        before = [len(ear.log) for ear, _ in self.ears]
        self.hub.tell(Notice("status", tuple(asked)))
        for who, (ear, _) in enumerate(self.ears):
            own = {symbol for _, symbol in self.hub.heard(ear)} & set(asked)
            told = [one for one in ear.log[before[who] :] if isinstance(one, Notice)]
            assert [set(one.symbols) for one in told] == ([own] if own else [])
            self._judge(who, ear.log[before[who] :])

    # -- who listens --------------------------------------------------------------------------

    @rule(who=WHO, channel=CHANNELS, form=FORMS, slow=st.booleans(), symbol=SYMBOLS)
    def listen(self, who, channel, form, slow, symbol):
        self._listen(who, Seen(channel, form), symbol, slow, None)

    @rule(who=WHO, channel=CHANNELS, symbol=SYMBOLS)
    def resume(self, who, channel, symbol):
        since = self.paused[who].get((channel, symbol))
        if since is not None:
            self._listen(who, Seen(channel), symbol, False, {symbol: Since(EPOCH, since)})

    def _listen(self, who, view, symbol, slow, since):
        ear = self.ears[who][0]
        key = (view.channel, symbol)
        again = key in self.hub.heard(ear)
        lived = key in self.hub.topics
        (caught,) = self.hub.listen(self.ears[who][slow].lane, view, (symbol,), since)
        topic = self.hub.topics[key]
        numbers = [update.seq for update in caught.fragments]
        if numbers:
            assert (topic.seq, caught.fragments[-1].value) == self.last[key]
            assert numbers == list(range(topic.seq - len(numbers) + 1, topic.seq + 1))
        heard = self.known[who].get(key) if again else since and since[symbol].seq
        if heard is not None and (again or (lived and heard >= topic.began)):
            total = topic.seq - heard
            fresh = [number for number in numbers if number > heard]
            assert caught.missed + len(fresh) == total
            if not conflates(view.channel):
                assert caught.resumed
                assert caught.missed == 0 or len(numbers) >= REMEMBERED
        else:
            assert caught.missed is None
            assert not caught.resumed
        if conflates(view.channel) and not caught.resumed:
            assert len(numbers) == (topic.last is not None)
        self.known[who][key] = topic.seq

    @rule(who=WHO, channel=CHANNELS, symbol=SYMBOLS)
    def stop(self, who, channel, symbol):
        self._pause(who, [(channel, symbol)])
        self.hub.stop(self.ears[who][0], [(channel, symbol)])

    @rule(who=WHO)
    def leave(self, who):
        self._pause(who, list(self.known[who]))
        self.hub.leave(self.ears[who][0])

    def _pause(self, who, keys):
        for key in keys:
            if key in self.known[who]:
                self.paused[who][key] = self.known[who].pop(key)

    @rule(who=WHO, slow=st.booleans())
    def take(self, who, slow):
        batch = self.ears[who][slow].lane.taken()
        if batch is not None:
            self._judge(who, [batch])

    @rule()
    def grace(self):
        self.timers.pass_()

    # -- what must be true --------------------------------------------------------------------

    def _judge(self, who, entries):
        """No reordering, no duplicate, and every hole is announced."""
        for batch in entries:
            if isinstance(batch, Notice):
                continue
            keys = {key for key, _ in batch.each} | {*batch.latest, *batch.skipped, *batch.lost}
            assert keys <= set(self.known[who])
            for key in keys:
                numbers = [update.seq for other, update in batch.each if other == key]
                if key in batch.latest:
                    numbers.append(batch.latest[key].seq)
                before = self.known[who][key]
                left_out = batch.skipped.get(key, 0) + batch.lost.get(key, 0)
                end = before + left_out + len(numbers)
                expected = range(end - len(numbers) + 1, end + 1)
                assert numbers == list(expected)
                self.known[who][key] = end

    @invariant()
    def only_what_is_wanted_is_brought(self):
        heard = {symbol for ear, _ in self.ears for _, symbol in self.hub.heard(ear)}
        assert heard <= self.supply.brought
        if not self.timers.waiting:
            assert self.supply.brought == heard

    @invariant()
    def lanes_are_bounded(self):
        for pair in self.ears:
            for ear in pair:
                assert len(ear.lane.each) <= 256
                assert set(ear.lane.latest) <= set(self.hub.heard(pair[0]))

    def teardown(self):
        for who, (ear, slow) in enumerate(self.ears):
            for one in (ear, slow):
                if (batch := one.lane.taken()) is not None:
                    self._judge(who, [batch])
            for key, number in self.known[who].items():  # nothing was left out in the end
                assert number == self.hub.topics[key].seq
            self.hub.leave(ear)
        self.timers.pass_()
        kept = (self.hub._topics, self.hub._of, self.hub._wanted, self.hub._leaving)
        assert not any(kept)
        assert not self.hub.listeners
        assert not self.supply.brought


TestHearing = Hearing.TestCase
TestHearing.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_one_view_cannot_write_is_said_to_nobody_and_makes_no_hole(hub):
    class Choosy(Seen):
        def fragment(self, update):
            if update.value == "bad":
                raise TypeError("no such number")
            return update

    one, other = Ear(), Ear()
    hub.listen(one.lane, QUOTE, (A,))
    hub.listen(other.lane, Choosy(), (A,))
    say(hub, A, 1)
    with pytest.raises(TypeError, match="number"):
        say(hub, A, "bad")
    say(hub, A, 2)
    for ear in (one, other):
        assert [update.value for update in ear.updates] == [2]
        assert ear.updates[-1].seq == 2
    (caught,) = hub.listen(Ear().lane, Choosy(), (A,))
    assert [update.value for update in caught.fragments] == [2]
