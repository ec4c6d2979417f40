"""The rules of workers that need no process: patience, pauses, the outbox, words, the table."""

import asyncio
import logging
import math
import os
import random
import subprocess
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import (
    BadData,
    Clock,
    Depth,
    Gap,
    PluginError,
    Quote,
    QuotesQuery,
    Source,
    SourceUnavailable,
    Symbol,
    Throttled,
)
from argus_core.config import SourceTable
from argus_core.errors import ConfigError
from argus_core.extend.jobs import JobStatus
from argus_core.routing.node import Node
from argus_core.routing.status import status_of
from argus_core.routing.workers import child, outbox, spawn
from argus_core.routing.workers.calls import Calls
from argus_core.routing.workers.isolated import isolated
from argus_core.routing.workers.lane import Call, Lane
from argus_core.routing.workers.limits import Backoff, Limits
from argus_core.routing.workers.outbox import Outbox
from argus_core.routing.workers.protocol import BEAT, BOOKS, GAP, LOG, PUSH, Start
from argus_core.routing.workers.signs import Signs
from argus_core.routing.workers.terms import terms_of
from argus_core.telemetry.redact import Redactor

A, B = Symbol("600519.SH"), Symbol("000001.SZ")
QUERY = QuotesQuery(symbols=(A,))


def job(silent=0.0, *, running=True):
    return JobStatus(key="k", running=running, seconds=9, silent=silent, done=0, total=0)


def looked(signs, until, step=1.0, beats=True):
    """The first verdict of looks every ``step`` seconds from 0, with a heartbeat before each."""
    now = 0.0
    while now <= until:
        if beats:
            signs.heard(now)
        if (verdict := signs.verdict(now)) is not None:
            return now, verdict
        now += step
    return None


class TestSigns:
    def test_a_call_may_run_as_long_as_the_limit_and_no_longer(self):
        signs = Signs(Limits(kill_after=30), 0.0)
        assert looked(signs, 1000) is None, "a call that waits for its turn is no hang"
        signs = Signs(Limits(kill_after=30), 0.0)
        signs.began(1, "bars", 0.0)
        assert signs.ran(1, 5.0) == 5.0
        assert looked(signs, 100) == (31.0, "call `bars` ran 31 s")
        signs.ended(1)
        signs.ended(1)
        assert signs.ran(1, 5.0) is None
        assert looked(signs, 100) is None

    def test_opening_has_a_limit_of_its_own(self):
        signs = Signs(Limits(kill_after=30), 0.0)
        signs.began(1, "open", 0.0, 60.0)
        assert looked(signs, 100) == (61.0, "call `open` ran 61 s")

    def test_silence_is_a_reason_but_not_the_lookers_own_sleep(self):
        signs = Signs(Limits(heartbeat_lost=10), 0.0)
        assert looked(signs, 100, beats=False) == (12.0, "no heartbeat for 10 s")
        signs = Signs(Limits(heartbeat_lost=10), 0.0)
        assert signs.verdict(500.0) is None, "nobody looked for so long: the laptop slept"
        assert signs.verdict(501.0) is None
        assert looked(signs, 100, step=3.0, beats=False) is None

    def test_a_reader_of_pushes_may_take_its_time(self):
        signs = Signs(Limits(heartbeat_lost=10), 0.0)
        signs.heard(float("inf"))
        assert looked(signs, 100, beats=False) is None

    def test_a_job_with_signs_of_life_may_last_for_ever_and_spares_a_waiting_call(self):
        limits = Limits(kill_after=30, job_limit=600)
        signs = Signs(limits, 0.0)
        signs.began(1, "bars", 0.0)
        ends = None
        for now in range(2000):
            signs.heard(now)
            signs.told((job(1.0),), {}, now)
            if (ends := signs.verdict(now)) is not None:
                break
        assert (now, ends) == (631, "call `bars` ran 631 s")
        signs.ended(1)
        signs.told((job(1.0),), {}, now)
        assert signs.verdict(now) is None
        signs.began(2, "quotes", now)
        signs.told((job(running=False),), {}, now + 31)
        signs.heard(now + 31)
        assert signs.verdict(now + 31) == "call `quotes` ran 31 s", "a waiting job spares nobody"

    def test_a_silent_job_is_a_reason(self):
        signs = Signs(Limits(job_limit=600), 0.0)
        signs.told((job(590.0), job(9999.0, running=False)), {}, 0.0)
        assert looked(signs, 100) == (11.0, "job `k` gave no sign of life for 600 s")

    def test_the_obituary_tells_a_watchdog_from_other_deaths(self):
        signs = Signs(Limits(heartbeat_lost=10), 0.0)
        assert signs.obituary(9.5) == "was killed: no heartbeat for 10 s"
        assert signs.obituary(3.0) is None


class TestBackoff:
    @given(st.integers(0, 1000))
    def test_pauses_double_up_to_a_longest_one_and_begin_anew(self, seed):
        backoff = Backoff(Limits(), random.Random(seed))
        pauses = [backoff.pause(1.0) for _ in range(80)]
        for number, pause in enumerate(pauses):
            whole = min(0.5 * 2**number, 60.0)
            assert 0.75 * whole <= pause <= whole
        assert backoff.pause(61.0) <= 0.5


class Sent:
    """The frames that an outbox sends, taken one by one."""

    def __init__(self, most=4):
        self.frames = []
        self.box = Outbox("h", self.frames.append, most)

    def next(self):
        data = self.box._next()
        return orjson.loads(data[8:])

    def pushes(self):
        head = self.next()
        assert head["is"] == PUSH
        return [*map(GAP.decode, head["gaps"]), *BOOKS.decode(head["books"])]


def book(symbol, price):
    return Depth(quote=Quote(symbol=symbol, price=float(price)))


class TestOutbox:
    def test_books_wait_in_order_and_newer_ones_replace_them_when_many_wait(self):
        sent = Sent(most=4)
        for price in (1, 2):
            sent.box.push(book(A, price))
            sent.box.push(book(B, price))
        sent.box.push(book(A, 3))
        sent.box.push(book(A, 4))
        gap, *books = sent.pushes()
        reason = "2 updates gave way to a newer one: their reader was too slow"
        assert gap == Gap(symbols=(A,), reason=reason)
        assert books == [book(A, 3), book(A, 4), book(B, 1), book(B, 2)]
        sent.box.push(book(A, 5))
        assert sent.pushes() == [book(A, 5)], "and the account is settled"

    @given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 9)), min_size=1))
    def test_the_newest_is_never_lost_and_never_too_many_wait(self, pushed):
        sent = Sent(most=3)
        for symbol, price in pushed:
            sent.box.push(book(symbol, price))
        assert sent.box._waiting <= 4
        items = sent.pushes()
        for symbol in {symbol for symbol, _ in pushed}:
            mine = [i for i in items if isinstance(i, Depth) and i.symbol == symbol]
            assert mine[-1] == book(symbol, [p for s, p in pushed if s == symbol][-1])
            lost = sum(s == symbol for s, _ in pushed) - len(mine)
            gaps = [i for i in items if isinstance(i, Gap) and symbol in i.symbols]
            assert bool(lost) == bool(gaps)

    def test_more_than_a_frame_holds_comes_in_several(self, monkeypatch):
        monkeypatch.setattr(outbox, "AT_ONCE", 2)
        sent = Sent(most=100)
        symbols = [Symbol(f"60000{n}.SH") for n in range(5)]
        for symbol in symbols:
            sent.box.push(book(symbol, 1))
        assert [len(sent.pushes()) for _ in range(3)] == [2, 2, 1]

    def test_heartbeats_go_first_and_only_the_last_of_them(self):
        sent = Sent()
        sent.box.log(20, "x", "said \ud800")
        sent.box.push(Gap(symbols=(A,), reason="r"))
        for number in (1, 2):
            sent.box.beat(b"12345678" + orjson.dumps({"is": BEAT, "n": number}))
        assert sent.next() == {"is": BEAT, "n": 2}
        assert sent.pushes() == [Gap(symbols=(A,), reason="r")]
        assert sent.next() == {"is": LOG, "level": 20, "logger": "x", "text": "said ?"}

    def test_a_flood_of_logs_is_counted(self, monkeypatch):
        monkeypatch.setattr(outbox, "MOST_LOGS", 2)
        sent = Sent()
        for number in range(5):
            sent.box.log(20, "x", str(number))
        assert [sent.next()["text"] for _ in range(2)] == ["0", "1"]
        sent.box.log(20, "x", "after")
        assert sent.next()["text"] == "after (3 lines before it left out)"

    def test_what_is_no_push_is_refused_where_it_is_pushed(self):
        for wrong in ({"price": 1}, Quote(symbol=A), Depth(quote=Quote(symbol="x"), bids=(5,))):
            with pytest.raises(BadData, match="h pushed"):
                Sent().box.push(wrong)


class TestCalls:
    """Who waits behind a call that its asker has left, and who fails over."""

    @pytest.fixture
    async def calls(self):
        self.signs = Signs(Limits(), time.monotonic())
        return Calls("h", self.signs, Limits(fair_chance=0.4, deserted=5.0, queue=3))

    def left(self, calls, ran):
        """A plain call that ran so long, whose asker leaves now."""
        number, _ = calls.opened("quotes", QUERY, plain=True)
        self.signs.began(number, "quotes", time.monotonic() - ran)
        calls._pending[number].future.cancel()
        assert calls.given_up(number).head == {"is": "drop", "number": number}
        return number

    async def test_a_hasty_asker_turns_nobody_away(self, calls):
        number = self.left(calls, ran=0.1)
        calls.opened("quotes", QUERY, plain=True)
        self.signs.began(number, "quotes", time.monotonic() - 6)
        with pytest.raises(SourceUnavailable, match="busy with `quotes`, which was given up"):
            calls.opened("quotes", QUERY, plain=True)

    async def test_behind_a_call_that_had_a_fair_chance_nobody_waits(self, calls):
        self.left(calls, ran=0.5)
        calls.opened("ping", None, plain=False)
        with pytest.raises(SourceUnavailable) as refused:
            calls.opened("quotes", QUERY, plain=True)
        assert refused.value.cool_seconds == 1, "it may come back at any moment"

    async def test_who_is_first_has_begun_and_who_waits_has_not(self, calls):
        begun = []
        for name in "ab":
            calls.opened("quotes", QUERY, plain=True, began=partial(begun.append, name))
        assert begun == ["a"]
        calls.began(1)
        calls.began(2)
        calls.began(99)
        assert begun == ["a", "b"]
        calls.opened("ping", None, plain=False, began=partial(begun.append, "c"))
        assert begun == ["a", "b", "c"]
        with pytest.raises(Throttled):
            calls.opened("ping", None, plain=False)

    async def test_a_call_at_the_moment_of_a_death_is_told_of_it(self):
        source = isolated(Source)(
            Start(name="h", plugin="p", where="", table={}, beat=1, heartbeat_lost=10),
            None,
            Clock(),
            limits=Limits(),
            secrets=(),
            random=random.Random(1),
            tell=print,
        )
        gone = asyncio.get_running_loop().create_future()
        gone.set_result("ended by SIGKILL")
        source._worker._life = SimpleNamespace(link=SimpleNamespace(gone=gone))
        source._worker.state = "up"
        with pytest.raises(SourceUnavailable, match="the worker of h ended by SIGKILL"):
            await source.ping()


class TestTheChild:
    """Nothing that a vendor's package says can cost a call or a heartbeat."""

    def test_a_wrong_log_line_fails_no_call(self, capsys):
        sent = Sent()
        handler = child._Forward(sent.box)
        for words, arguments in (("too many", (1,)), ("right", ())):
            handler.handle(logging.LogRecord("v", logging.INFO, "", 1, words, arguments, None))
        assert "not all arguments converted" in capsys.readouterr().err
        assert sent.next()["text"] == "right"

    @pytest.mark.parametrize("told", [{"user": "\ud800"}, {"user": object()}, SystemExit(3)])
    def test_a_report_that_cannot_travel_says_so(self, told):
        class Odd(Source):
            def report(self):
                if isinstance(told, SystemExit):
                    raise told
                return told

        said = child._reported(Odd("h", None, Clock()))
        assert set(said["table"]) == {"report"}
        assert said["table"]["report"].startswith("failed: ")


class TestLane:
    def test_calls_run_in_order_and_given_up_ones_never(self):
        done, gate, over = [], threading.Event(), threading.Event()

        def work(call):
            gate.wait(5)
            done.append(call.number)
            if call.number == 3:
                over.set()

        lane = Lane("h", work)
        calls = [Call(number, "quotes") for number in (1, 2, 3)]
        for call in calls:
            lane.put(call)
        assert calls[1].take()
        gate.set()
        assert over.wait(5)
        assert done == [1, 3]


class Alone(Source):
    isolation = "process"


class Twice(Source):
    logins = 2


class TestTerms:
    def terms(self, cls=Source, **keys):
        return terms_of(SourceTable(plugin="p", **keys), cls, "here")

    def test_the_class_states_the_default_and_the_table_overrides_it(self):
        assert self.terms() is None
        assert self.terms(Alone) == Limits()
        assert self.terms(Alone, isolation="none") is None
        assert self.terms(isolation="process", kill_after=5) == Limits(kill_after=5)
        limits = self.terms(Alone, heartbeat_lost=20, job_limit=60)
        assert (limits.heartbeat_lost, limits.job_limit) == (20, 60)

    @pytest.mark.parametrize(
        ("cls", "keys", "message"),
        [
            (Source, {"kill_after": 5}, "kill_after: only a worker has such limits"),
            (Source, {"workers": 2}, "workers: only a worker has such limits"),
            (Alone, {"workers": 2}, "'p' allows one login of one account at once"),
            (Twice, {"workers": 3, "isolation": "process"}, "allows 2 logins of one account"),
            (Twice, {"workers": 2, "isolation": "process"}, "cannot be balanced"),
        ],
    )
    def test_what_cannot_be_is_refused_with_the_reason(self, cls, keys, message):
        with pytest.raises(ConfigError, match=message) as refused:
            self.terms(cls, **keys)
        assert refused.value.where == "here"
        assert refused.value.fix
        assert not isinstance(refused.value, PluginError)


class TestIsolated:
    def test_it_states_what_the_plugins_class_states(self):
        class Vendor(Source):
            simulated = True
            symbols_per_call = 7

            def quotes(self, query):
                return []

        kind = isolated(Vendor)
        assert kind.offers() == {"quotes"}
        assert not kind.pushes()
        start = Start(name="h", plugin="p", where="", table={}, beat=1, heartbeat_lost=10)
        source = kind(
            start, None, Clock(), limits=Limits(), secrets=(), random=random.Random(1), tell=print
        )
        assert (source.simulated, source.symbols_per_call) == (True, 7)
        node = Node(source, plugin="p", clock=Clock())
        assert node.offers == {"quotes"}
        told = status_of(node, distribution="", routes=(), clock=Clock(), redactor=Redactor())
        assert (told.isolation, told.worker, told.state) == ("process", "starting", "down")
        assert told.reason == "its worker is starting"
        assert told.report["logins"] == 0

    def test_a_report_that_fails_or_tells_a_secret_harms_nothing(self):
        class Broken(Source):
            def report(self):
                raise OSError

        class Blunt(Source):
            def report(self):
                return {"user": "me:s3cret", "left": None}

        class Strange(Source):
            def report(self):
                odd = {1: "\ud800", "n": math.nan, "far": 2**70, "what": frozenset({"s3cret"})}
                return odd | {"fine": 0.5, "on": True, "count": 7}

        plain = {"1": "?", "n": None, "far": str(2**70), "what": "frozenset({'***'})"}
        for kind, report in (
            (Broken, {"report": "failed: OSError"}),
            (Blunt, {"user": "me:***", "left": None}),
            (Strange, {**plain, "fine": 0.5, "on": True, "count": 7}),
        ):
            node = Node(kind("n", None, Clock()), plugin="p", clock=Clock())
            told = status_of(
                node, distribution="", routes=(), clock=Clock(), redactor=Redactor(["s3cret"])
            )
            assert (told.report, told.isolation, told.worker) == (report, "none", None)


class TestProcess:
    def test_the_environment_is_in_shanghai_and_imports_the_same(self, monkeypatch):
        monkeypatch.setattr(sys, "path", ["", "/somewhere"])
        made = spawn.environment({"TZ": "UTC", "HOME": "/h"})
        assert made["TZ"] in {"Asia/Shanghai", "CST-8"}
        assert made["HOME"] == "/h"
        assert made["PYTHONPATH"].split(os.pathsep)[0] == os.getcwd()  # noqa: PTH109
        assert made["PYTHONUTF8"] == "1"

    @pytest.mark.parametrize(
        ("code", "words"),
        [(3, "ended with exit code 3"), (-9, "ended by SIGKILL"), (-99, "ended by signal 99")],
    )
    def test_an_end_in_words(self, code, words):
        assert spawn.ending(code) == words

    def test_a_worker_that_nobody_speaks_to_ends(self):
        command = [sys.executable, "-P", "-m", "argus_core.routing.workers"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, env=spawn.environment(), timeout=30, check=False
        )
        assert done.returncode == 0
