"""Workers as real processes: they hang, die, flood and are deserted, and nothing is left behind."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.hanging import (
    ABOUT,
    CRASHES,
    EXITS,
    GAPS,
    HELD,
    NOISY,
    RAISES,
    RELEASED,
    SLOW,
    TELLS,
    THROTTLED,
    WORKS,
)
from support.waiting import until
from support.workers import QUICK, TOKEN, WHERE, asked, publish, worker

from argus_core import (
    Depth,
    DepthQuery,
    Gap,
    Period,
    PluginError,
    Preparing,
    QuotesQuery,
    SourceUnavailable,
    Symbol,
    Throttled,
)
from argus_core.config import Config
from argus_core.errors import DeadlineExceeded
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline
from argus_core.routing.workers.signs import Signs

HERE = Path(__file__).parent
PLAIN = "600519.SH"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="hangs through libc's sleep")


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    publish(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def ask(gateway, seconds):
    return Ask(deadline=Deadline.within(seconds, gateway.clock), use_cache=False)


class TestAPool:
    @pytest.mark.parametrize("hang", [RELEASED, HELD])
    async def test_a_hang_costs_one_deadline_and_the_pool_serves_on(self, hang):
        table = {
            "sources": {
                "one": {"plugin": "hanging", "kill_after": 0.5, "heartbeat_lost": 2},
                "two": {"plugin": "hanging", "tame": True},
            }
        }
        table["sources"]["one"]["isolation"] = "process"
        async with Gateway(Config.parse(table, {})) as argus:
            one = argus._parts.nodes["one"].source
            assert argus.sources()[0].worker == "up"
            first = one.report()["pid"]
            began = time.monotonic()
            answer = await argus.quotes((Symbol(hang),), ask(argus, 1.0))
            assert answer.sources == ("two",)
            assert time.monotonic() - began < 1.0
            began = time.monotonic()
            for _ in range(20):
                answer = await argus.quotes((Symbol(PLAIN),), ask(argus, 1.0))
                assert answer.sources == ("two",)
            assert time.monotonic() - began < 0.5, "nobody else waits for the hang"
            await until(lambda: one.report()["restarts"] == 1)
            assert not psutil.pid_exists(first)
            assert await asked(one, PLAIN) == str(one.report()["pid"])
            assert argus.sources()[0].worker == "up"


class TestPatience:
    async def test_who_waits_for_a_turn_in_vain_blames_no_healthy_worker(self, monkeypatch):
        monkeypatch.setattr("argus_core.routing.node.FAIR_CHANCE", 0.5)
        table = {"sources": {"one": {"plugin": "hanging", "isolation": "process"}}}
        async with Gateway(Config.parse(table, {})) as argus:
            query, late = QuotesQuery(symbols=(Symbol(SLOW),)), Deadline.within(0.95, argus.clock)
            asking = [argus._router.fetch(query, late) for _ in range(5)]
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            failed = [type(o) for o in outcomes if isinstance(o, Exception)]
            assert failed == [DeadlineExceeded] * 3
            assert argus.sources()[0].state == "up"
            assert (await argus.quotes((Symbol(PLAIN),), ask(argus, 3.0))).sources == ("one",)

    async def test_a_hasty_asker_leaves_the_worker_to_the_patient_one(self):
        source = worker()
        await source.open()
        try:
            with pytest.raises(TimeoutError):
                await asked(source, SLOW, seconds=0.05)
            assert await asked(source, PLAIN) == str(source.report()["pid"])
        finally:
            await source.close()

    async def test_what_nobody_understands_ends_the_worker_instead_of_its_reader(self, monkeypatch):
        odd = []

        def once(self, jobs, report, now, meters):
            odd.append(report)
            if len(odd) == 1:
                raise KeyError("jobs")

        told = []
        source = worker(told=told)
        await source.open()
        monkeypatch.setattr(Signs, "told", once)
        try:
            await until(lambda: source.report()["restarts"] == 1)
            assert "it said what nobody understands" in told[0][2]
            assert await asked(source, PLAIN) == str(source.report()["pid"])
        finally:
            await source.close()


class TestADeath:
    async def test_calls_fail_at_once_until_the_next_worker_is_up(self):
        told = []
        source = worker(told=told)
        await source.open()
        try:
            pid = source.report()["pid"]  # before it has time to die
            slow = asyncio.create_task(asked(source, SLOW))
            dies = asyncio.create_task(asked(source, EXITS))
            assert await slow == str(pid)
            with pytest.raises(SourceUnavailable, match="the worker of h ended with exit code 3"):
                await dies
            began = time.monotonic()
            with pytest.raises(
                SourceUnavailable, match=r"the worker of h is (down|starting)"
            ) as no:
                await asked(source, PLAIN)
            assert time.monotonic() - began < 0.1
            assert no.value.retry_after is not None
            await until(lambda: len(told) > 1)  # it is told just after the worker is counted
            assert source.report()["restarts"] == 1
            reason = "the worker of h ended with exit code 3"
            assert told == [("h", "down", reason), ("h", "recovered", "a new worker is up")]
            with pytest.raises(SourceUnavailable, match="ended by SIGSEGV"):
                await asked(source, CRASHES)
            assert source.worker == "down"
        finally:
            await source.close()
            await source.close()
        assert source.worker == "closed"

    async def test_a_queue_that_is_full_refuses_and_a_hang_refuses_at_once(self, caplog):
        source = worker()
        await source.open()
        try:
            waiting = [asyncio.create_task(asked(source, PLAIN)) for _ in range(4)]
            await asyncio.sleep(0)
            with pytest.raises(Throttled, match="4 calls are waiting for the worker of h") as many:
                await asked(source, PLAIN)
            assert many.value.retry_after == 1
            assert len(set(await asyncio.gather(*waiting))) == 1
            with pytest.raises(TimeoutError):
                await asked(source, RELEASED, seconds=0.2)
            with pytest.raises(SourceUnavailable, match="busy with `quotes`, which was given up"):
                await asked(source, PLAIN)
            await until(lambda: source.worker == "down")
            # It is down before it is told why.
            await until(lambda: any(r.levelno == logging.ERROR for r in caplog.records))
            (death,) = [r for r in caplog.records if r.levelno == logging.ERROR]
            assert "was killed: call `quotes` ran 0." in death.getMessage()
            assert "in released" in death.getMessage(), "the stack says where it hung"
        finally:
            await source.close()


class TestJobs:
    async def test_a_job_that_works_is_not_killed_and_no_subscription_is_lost_without_a_gap(self):
        source = worker(job_seconds=3.0)
        pushed = []
        await source.open()
        try:
            await source.subscribe((Symbol(PLAIN),), pushed.append)
            with pytest.raises(Preparing) as preparing:
                await asked(source, WORKS)
            assert preparing.value.retry_after == 3
            pid = source.report()["pid"]
            began = time.monotonic()
            await until(lambda: source.report().get("job") == "a long download")
            await asyncio.sleep(began + 2.2 - time.monotonic())
            report = source.report()
            assert (report["pid"], report["job_done"], report["job_total"]) == (pid, 1, 2)
            assert {type(item) for item in pushed} == {Depth}
            with pytest.raises(TimeoutError):
                await asked(source, RELEASED, seconds=0.1)
            await until(lambda: source.report()["restarts"] == 1)
            assert time.monotonic() - began > 3.0, "the job came to its end first"
            await until(lambda: sum(isinstance(item, Gap) for item in pushed) == 2)
            died, again = (item for item in pushed if isinstance(item, Gap))
            assert "was killed: call `quotes` ran" in died.reason
            before = [item for item in pushed[: pushed.index(died)] if isinstance(item, Depth)]
            assert died.since == again.since == before[-1].quote.as_of
            await until(lambda: isinstance(pushed[-1], Depth))
            assert pushed[-1].quote.name == str(source.report()["pid"]) != str(pid)
            await source.unsubscribe((Symbol(PLAIN),))
            count = len(pushed)
            await asyncio.sleep(0.15)
            assert len(pushed) == count
        finally:
            await source.close()


class TestASession:
    async def test_the_worker_is_in_shanghai_and_speaks_cleanly(self, monkeypatch):
        monkeypatch.setenv("TZ", "America/New_York")
        seen = {"at": "x", "n": [1, 2.5, True], "inner": {"k": "v"}}
        source = worker(seen=seen)
        assert source.periods != {Period.D1}
        await source.open()
        try:
            zone, offset, threads, in_argv, settings = eval(await asked(source, ABOUT))
            assert (zone, offset, threads) == ("Asia/Shanghai", "+0800", "1")
            assert not in_argv
            assert settings == seen
            assert source.periods == {Period.D1}, "the instance knows better than the class"
            assert source.units[0].volume == 100.0
            assert await asked(source, NOISY) == str(source.report()["pid"])
            with pytest.raises(Throttled) as rough:
                await asked(source, THROTTLED)
            assert (rough.value.cool_seconds, rough.value.details) == (7.0, {"left": 0})
            pushed = []
            await source.subscribe((Symbol(GAPS),), pushed.append)
            await until(lambda: any(isinstance(item, Gap) for item in pushed))
            await source.ping()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await source.depth(DepthQuery(symbols=(Symbol(PLAIN),), levels=1))
            await asyncio.sleep(QUICK.kill_after + 0.4)
            report = source.report()
            assert report["restarts"] == 0, "an asynchronous call ends with its asker"
            assert (report["worker"], report["logins"], report["version"]) == ("up", 1, "7")
            assert (report["quota"], report["token"]) == (0.5, True)
        finally:
            await source.close()

    async def test_what_a_worker_says_reaches_the_log_without_secrets(self, caplog):
        caplog.set_level(logging.INFO, "argus.worker.h")
        source = worker()
        await source.open()
        try:
            with pytest.raises(SourceUnavailable, match="h raised RuntimeError instead of answer"):
                await asked(source, RAISES)
            await asked(source, TELLS)
            for told in (
                "vendor.sdk: logged in with ***",
                "the token is ***",
                "wrapped: ***",
                "RuntimeError: no ***",
            ):
                await until(lambda told=told: told in caplog.text)
            assert TOKEN not in caplog.text
            assert TOKEN[len(TOKEN) // 2 :] not in caplog.text
            records = [r for r in caplog.records if r.name == "argus.worker.h"]
            assert {r.levelno for r in records} == {logging.INFO, logging.WARNING}
        finally:
            await source.close()


class TestStarting:
    @pytest.mark.parametrize(
        ("opens", "error", "message"),
        [
            ("cannot be made", PluginError, "Hanging cannot be made: ModuleNotFoundError"),
            ("badly", SourceUnavailable, "ValueError: .* is refused"),
        ],
    )
    async def test_a_source_that_cannot_start_says_why(self, opens, error, message):
        others = psutil.Process().children()  # of an earlier test, and on their way out
        source = worker(opens=opens)
        with pytest.raises(error, match=message):
            await source.open()
        await source.close()
        assert set(psutil.Process().children()) <= set(others)

    async def test_a_plugin_that_is_broken_in_the_worker_only_stops_the_start(self, plugin):
        broken = (
            "import sys\nif 'support.hanging' not in sys.modules: raise ImportError('no DLL')\n"
        )
        broken += "from support.hanging import register_source\n"
        (plugin / "partly.py").write_text(broken)
        publish(plugin, "partly", "partly")
        table = {"sources": {"p": {"plugin": "partly", "isolation": "process"}}}
        with pytest.raises(PluginError) as refused:
            async with Gateway(Config.parse(table, {})):
                pass
        assert "plugin 'partly' of partly-plugin 1.0 cannot be imported" in refused.value.message
        assert "ImportError: no DLL" in refused.value.message
        assert refused.value.where == WHERE.replace(".h]", ".p]")
        assert "reinstall" in refused.value.fix

    async def test_check_works_through_workers(self):
        table = {"sources": {"p": {"plugin": "hanging", "isolation": "process"}}}
        (verdict,) = await Gateway(Config.parse(table, {})).check()
        assert (verdict.ok, verdict.message) == (True, "answers")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts what /proc shows")
class TestNothingIsLeft:
    @pytest.mark.parametrize("hangs", ["2", pytest.param("6", marks=pytest.mark.long)])
    def test_after_hangs(self, hangs):
        command = [sys.executable, str(HERE / "hangs.py"), hangs]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_after_the_gateway_was_killed(self):
        command = [sys.executable, str(HERE / "hangs.py"), "deserted"]
        gateway = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        pids = [int(pid) for pid in gateway.stdout.readline().split()]
        assert len(pids) == 2
        assert all(psutil.pid_exists(pid) for pid in pids)
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait()
        gateway.stdout.close()
        began = time.monotonic()
        while any(psutil.pid_exists(pid) for pid in pids):
            assert time.monotonic() - began < 2 * QUICK.heartbeat_lost
            time.sleep(0.02)
