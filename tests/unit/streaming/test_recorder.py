"""What is heard is on the disk: all of it, in order, and if not, the recording says so."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.recordings import (
    CARRIER,
    MOUTAI,
    PING_AN,
    Stage,
    book,
    manifest_by_parts,
    quote,
    rows_of,
)

from argus_core import SHANGHAI, Depth, Trade
from argus_core.model.answer import Failure
from argus_core.streaming import parts as parts_module
from argus_core.streaming.intake import REASON, Intake
from argus_core.streaming.parts import Parts, parts_in
from argus_core.streaming.recorder import Recorder
from argus_core.streaming.rows import SCHEMA, Heard, frame_of
from argus_core.streaming.topics import DEPTH, QUOTES, TRADES, Carrier, Notice, Update

AT = datetime(2024, 3, 15, 10, 0, 0, 123456, tzinfo=SHANGHAI)


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def stage(clock):
    return Stage(clock)


def manifest_in(folder):
    return orjson.loads((folder / parts_module.MANIFEST).read_bytes())


async def recording(stage, clock, folder, **more):
    recorder = Recorder(stage, folder, clock=clock, **more)
    await recorder.begin((MOUTAI, PING_AN))
    return recorder


def say(stage, number, symbol=MOUTAI, channel=QUOTES):
    at = AT + timedelta(milliseconds=number)
    value = quote(symbol, at, price=1800.0 + number / 100, volume=100.0 + number)
    if channel == DEPTH:
        value = book(value)
    if channel == TRADES:
        value = Trade(price=1800.01, volume=100.0 + number, time=at, direction="sell")
    return stage.hub.say((channel, symbol), value, CARRIER, at)


class TestWhatIsHeard:
    async def test_every_update_is_a_row_in_the_order_in_which_it_was_said(
        self, stage, clock, tmp_path
    ):
        recorder = await recording(stage, clock, tmp_path)
        said = [
            say(stage, number, symbol, channel)
            for number, (symbol, channel) in enumerate(
                (symbol, channel)
                for _ in range(30)
                for symbol in (MOUTAI, PING_AN)
                for channel in (QUOTES, DEPTH, TRADES)
            )
        ]
        await recorder.close()
        rows = rows_of(tmp_path)
        assert dict(rows.schema) == dict(SCHEMA)
        assert rows["seq"].to_list() == [update.seq for update in said]
        assert rows["kind"].to_list() == [update.channel for update in said]
        assert rows["symbol"].to_list() == [str(update.symbol) for update in said]
        assert rows["at"].to_list() == [update.at for update in said]
        assert rows["source"].unique().to_list() == ["qmt"]
        assert rows["via"].to_list() == [["edge"]] * len(said)
        assert rows["mode"].unique().to_list() == ["push"]
        assert rows["epoch"].unique().to_list() == ["e1"]
        assert rows["day"].unique().to_list() == [AT.date()]

    async def test_quotes_are_not_conflated_though_nobody_writes_meanwhile(
        self, stage, clock, tmp_path
    ):
        recorder = await recording(stage, clock, tmp_path)
        for number in range(1000):
            say(stage, number)
        assert recorder.waiting == 1000
        await recorder.flush()
        assert recorder.waiting == 0
        await recorder.close()
        assert rows_of(tmp_path)["seq"].to_list() == list(range(1, 1001))

    async def test_values_come_back_as_they_were(self, stage, clock, tmp_path):
        recorder = await recording(stage, clock, tmp_path)
        told = quote(MOUTAI, AT, price=0.1 + 0.2, volume=3397389.0, name="贵州茅台")
        stage.hub.say((DEPTH, MOUTAI), book(told), CARRIER, AT)
        await recorder.close()
        row = rows_of(tmp_path).row(0, named=True)
        assert row["price"] == 0.1 + 0.2
        assert row["name"] == "贵州茅台"
        assert row["as_of"] == AT
        assert row["change"] is None
        assert row["bid_prices"] == [level.price for level in book(told).bids]
        assert row["ask_volumes"] == [200.0, 400.0]

    async def test_a_row_says_whether_it_is_invented_or_out_of_a_recorded_day(
        self, stage, clock, tmp_path
    ):
        recorder = await recording(stage, clock, tmp_path)
        for carrier in (
            Carrier("demo", "poll", simulated=True),
            Carrier("old", "push", replay={"day": "2023-02-01", "speed": 10}),
        ):
            stage.hub.say((QUOTES, MOUTAI), quote(MOUTAI, AT), carrier, AT)
        await recorder.close()
        told = rows_of(tmp_path).select("simulated", "replay_day", "replay_speed").rows()
        assert told == [(True, None, None), (False, "2023-02-01", 10.0)]
        manifest = manifest_in(tmp_path)
        assert (manifest["simulated"], manifest["replayed"]) == (True, ["2023-02-01"])

    async def test_what_was_known_before_is_recorded_first(self, stage, clock, tmp_path):
        stage.hub.hold((MOUTAI,))
        say(stage, 7)
        recorder = await recording(stage, clock, tmp_path)
        say(stage, 8)
        await recorder.close()
        assert rows_of(tmp_path)["seq"].to_list() == [1, 2]

    async def test_notices_keep_their_place_among_the_values(self, stage, clock, tmp_path):
        recorder = await recording(stage, clock, tmp_path)
        say(stage, 1)
        clock.advance(1)
        stage.hub.tell(Notice("gap", (MOUTAI, PING_AN), {"reason": "the link broke"}))
        say(stage, 2)
        await recorder.close()
        rows = rows_of(tmp_path)
        assert rows["kind"].to_list() == ["quotes", "gap", "gap", "quotes"]
        assert rows["symbol"].to_list()[1:3] == [MOUTAI, PING_AN]
        assert rows["told"][1] == '{"reason":"the link broke"}'
        assert rows["at"][1] == clock.now()

    async def test_a_night_belongs_to_the_next_trading_date(self, tmp_path):
        friday = datetime(2024, 3, 15, 21, 5, tzinfo=SHANGHAI)
        update = Update(QUOTES, MOUTAI, 1, quote(), CARRIER, friday)
        assert frame_of([update], "e")["day"].to_list() == [date(2024, 3, 18)]

    async def test_who_is_unknown_is_told_and_not_listened_to(self, clock, tmp_path):
        failure = Failure(code="NOT_FOUND", message="nobody knows it")
        stage = Stage(clock, rejected={PING_AN: failure})
        recorder = Recorder(stage, tmp_path, clock=clock)
        assert await recorder.begin((MOUTAI, PING_AN)) == {PING_AN: failure}
        assert {symbol for _, symbol in stage.hub.heard(recorder)} == {MOUTAI}
        await recorder.close()

    async def test_it_ends_when_it_is_told_and_has_left_the_hub(self, stage, clock, tmp_path):
        recorder = await recording(stage, clock, tmp_path, flush_seconds=0.01)
        stop = asyncio.Event()
        running = asyncio.create_task(recorder.run(stop))
        say(stage, 1)
        while not parts_in(tmp_path):  # noqa: ASYNC110 - another one's flush is waited for
            await asyncio.sleep(0.005)
        say(stage, 2)
        stop.set()
        await running
        assert rows_of(tmp_path)["seq"].to_list() == [1, 2]
        assert not stage.hub.listeners


class TestADiskThatDoesNotFollow:
    async def test_what_cannot_be_written_is_kept_and_written_once(
        self, stage, clock, tmp_path, monkeypatch
    ):
        recorder = await recording(stage, clock, tmp_path)
        say(stage, 1)
        full = OSError(28, "No space left on device")
        with monkeypatch.context() as patch:
            patch.setattr(parts_module, "_settled", _raising(full))
            await recorder.flush()
        assert "No space left" in recorder.trouble
        assert not parts_in(tmp_path)
        say(stage, 2)
        await recorder.flush()
        assert recorder.trouble is None
        await recorder.close()
        assert rows_of(tmp_path)["seq"].to_list() == [1, 2]

    async def test_the_end_of_a_recording_that_cannot_be_written_is_an_error(
        self, stage, clock, tmp_path, monkeypatch
    ):
        recorder = await recording(stage, clock, tmp_path)
        say(stage, 1)
        monkeypatch.setattr(parts_module, "_settled", _raising(OSError(28, "No space left")))
        with pytest.raises(OSError, match="1 updates were not written"):
            await recorder.close()

    async def test_rows_are_not_written_twice_if_only_the_manifest_cannot_be(
        self, stage, clock, tmp_path, monkeypatch
    ):
        recorder = await recording(stage, clock, tmp_path)
        say(stage, 1)
        with monkeypatch.context() as patch:
            patch.setattr(parts_module, "manifest_of", _raising(OSError("read-only")))
            await recorder.flush()
        assert "read-only" in recorder.parts.trouble
        await recorder.flush()
        await recorder.close()
        assert rows_of(tmp_path)["seq"].to_list() == [1]
        assert recorder.parts.trouble is None

    async def test_a_gap_row_says_how_many_are_missing_and_where(self, stage, clock, tmp_path):
        recorder = await recording(stage, clock, tmp_path, max_bytes=2000)
        for number in range(10):
            say(stage, number)
        await recorder.flush()
        say(stage, 10)
        await recorder.close()
        rows = rows_of(tmp_path)
        assert rows["kind"].to_list() == ["quotes", "quotes", "quotes", "gap", "quotes"]
        assert rows["lost"].to_list() == [None, None, None, 7, None]
        assert rows["told"][3] == f'{{"reason":"{REASON}"}}'
        assert recorder.lost == 7

    def test_it_may_not_take_forever_either(self, clock):
        intake = Intake(clock, max_bytes=1 << 20, max_seconds=30)
        entry = Heard("gap", MOUTAI, AT, {})
        intake.put(entry)
        clock.advance(31)
        intake.put(entry)
        assert (intake.waiting, intake.lost) == (1, 1)
        intake.take()
        intake.written()
        intake.put(entry)
        assert intake.waiting == 2  # what is missing is told before

    @given(steps=st.lists(st.sampled_from(["put", "take", "written", "failed"]), max_size=60))
    def test_whatever_happens_each_entry_is_written_once_or_counted(self, steps):
        intake = Intake(TestClock(), max_bytes=3000, max_seconds=1e9)
        put, on_disk, under_way = 0, [], None
        for step in steps:
            if step == "put":
                intake.put(Update(QUOTES, MOUTAI, put, quote(), CARRIER, AT))
                put += 1
            elif step == "take" and under_way is None:
                under_way = list(intake.take())
            elif step == "written" and under_way is not None:
                on_disk += under_way
                intake.written()
                under_way = None
            elif step == "failed" and under_way is not None:
                intake.failed()
                under_way = None
        if under_way is not None:
            intake.failed()
        intake.close()
        on_disk += intake.take()
        told = sum(entry.lost for entry in on_disk if isinstance(entry, Heard))
        seqs = [entry.seq for entry in on_disk if isinstance(entry, Update)]
        assert seqs == sorted(set(seqs))
        assert len(seqs) + told == put
        assert told == intake.lost


class TestParts:
    def write(self, parts, *numbers):
        for number in numbers:
            update = Update(QUOTES, MOUTAI, number, quote(), CARRIER, AT)
            parts.write(frame_of([update], "e"))

    def test_small_parts_become_a_large_one(self, tmp_path, monkeypatch):
        monkeypatch.setattr(parts_module, "MOST_SMALL", 4)
        parts = Parts(tmp_path, began=AT, rotate_bytes=1 << 30)
        self.write(parts, *range(1, 11))
        assert [one.last - one.first for one in parts_in(tmp_path)] == [3, 3, 0, 0]
        assert rows_of(tmp_path)["seq"].to_list() == list(range(1, 11))
        parts.close()
        assert rows_of(tmp_path)["seq"].to_list() == list(range(1, 11))
        assert parts.rows == 10
        assert parts.bytes == sum(p.stat().st_size for p in tmp_path.glob("*.parquet"))

    def test_so_they_do_by_size(self, tmp_path):
        parts = Parts(tmp_path, began=AT, rotate_bytes=1)
        self.write(parts, 1, 2)
        assert len(parts_in(tmp_path)) == 2  # each is large enough by itself

    def test_a_part_that_is_in_a_larger_one_counts_once(self, tmp_path):
        parts = Parts(tmp_path, began=AT, rotate_bytes=1 << 30)
        self.write(parts, 1, 2, 3)
        kept = {path.name: path.read_bytes() for path in tmp_path.glob("*.parquet")}
        parts.close()
        for name, data in kept.items():  # the process was killed before it removed them
            (tmp_path / name).write_bytes(data)
        assert rows_of(tmp_path)["seq"].to_list() == [1, 2, 3]

    def test_the_manifest_says_what_the_parts_hold_and_can_be_made_of_them(self, tmp_path):
        parts = Parts(tmp_path, began=AT, rotate_bytes=1 << 30)
        self.write(parts, 1, 2, 3)
        parts.write(frame_of([Heard("gap", PING_AN, AT, {}, lost=5)], "e"))
        by_parts = orjson.dumps(manifest_by_parts(tmp_path), option=orjson.OPT_INDENT_2)
        assert (tmp_path / parts_module.MANIFEST).read_bytes() == by_parts
        manifest = manifest_in(tmp_path)
        assert (manifest["rows"], manifest["lost"]) == (4, 5)
        assert manifest["symbols"] == [PING_AN, MOUTAI]
        assert manifest["days"] == ["2024-03-15"]

    def test_two_recorders_may_share_a_directory(self, tmp_path):
        one = Parts(tmp_path, began=AT, rotate_bytes=1 << 30)
        two = Parts(tmp_path, began=AT + timedelta(hours=1), rotate_bytes=1 << 30)
        self.write(one, 1)
        self.write(two, 2)
        self.write(one, 3)
        one.close()
        two.close()
        assert rows_of(tmp_path)["seq"].to_list() == [1, 3, 2]
        assert manifest_in(tmp_path)["rows"] == manifest_by_parts(tmp_path)["rows"] == 3

    def test_unfinished_files_are_no_parts_and_go_in_the_end(self, tmp_path):
        Parts(tmp_path, began=AT, rotate_bytes=1)
        left = tmp_path / ".20240315T100000-00000000-000001.parquet.tmp"
        left.write_bytes(b"half")
        Parts(tmp_path, began=AT, rotate_bytes=1)
        assert left.exists()  # it may be somebody's who is writing it
        hours_ago = time.time() - 7200
        os.utime(left, (hours_ago, hours_ago))
        Parts(tmp_path, began=AT, rotate_bytes=1)
        assert not left.exists()
        assert parts_in(tmp_path) == []


KILLED = """
    import asyncio, sys, time
    from datetime import datetime
    from pathlib import Path
    from support.recordings import CARRIER, MOUTAI, Stage, quote
    from argus_core import SHANGHAI, Clock
    from argus_core.market import calendar
    from argus_core.streaming.recorder import Recorder
    from argus_core.streaming.topics import QUOTES

    async def main():
        clock = Clock()
        calendar.preload()  # as a gateway does
        stage = Stage(clock)
        recorder = Recorder(stage, Path(sys.argv[1]), clock=clock, flush_seconds=0.2)
        await recorder.begin((MOUTAI,))
        stop = asyncio.Event()
        running = asyncio.create_task(recorder.run(stop))
        while True:
            update = stage.hub.say((QUOTES, MOUTAI), quote(), CARRIER, clock.now())
            print(update.seq, time.monotonic(), flush=True)
            await asyncio.sleep(0.002)

    asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_kill_loses_no_more_than_the_last_flush(tmp_path):
    tests = Path(__file__).resolve().parents[2]
    folder = tmp_path / "recording"
    said = []
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])},
    ) as process:
        for line in process.stdout:
            seq, at = line.split()
            said.append((int(seq), float(at)))
            if said[-1][1] - said[0][1] > 3.0:
                process.kill()
                break
    killed = said[-1][1]
    seqs = rows_of(folder)["seq"].to_list()
    assert seqs == list(range(1, len(seqs) + 1))  # nothing is missing in between, nothing twice
    # A flush that was under way, and one more: the machine may be slow.
    old = max(seq for seq, at in said if at < killed - 1.5)
    assert seqs[-1] >= old
    assert manifest_by_parts(folder)["rows"] == len(seqs)


@given(
    price=st.floats(min_value=1e-6, max_value=1e7),
    volume=st.floats(min_value=0, max_value=1e15),
    micros=st.integers(0, 10**12),
    levels=st.lists(st.tuples(st.floats(0.01, 1e6), st.floats(0, 1e12)), max_size=10),
)
def test_no_digit_is_lost(price, volume, micros, levels):
    at = AT + timedelta(microseconds=micros)
    told = quote(MOUTAI, at, price=price, volume=volume)
    value = Depth(quote=told, bids=tuple(_level(*each) for each in levels))
    update = Update(DEPTH, MOUTAI, 1, value, CARRIER, at)
    row = frame_of([update], "e").row(0, named=True)
    assert (row["price"], row["volume"], row["turnover"]) == (price, volume, told.turnover)
    assert row["as_of"] == row["at"] == at
    assert list(zip(row["bid_prices"], row["bid_volumes"], strict=True)) == levels


def _level(price, volume):
    from argus_core import Level

    return Level(price, volume)


def _raising(error):
    def fail(*_arguments, **_more):
        raise error

    return fail


def test_the_columns_are_those_that_are_documented():
    page = Path(__file__).resolve().parents[3] / "docs" / "use" / "recordings.md"
    text = page.read_text(encoding="utf-8")
    missing = [name for name in SCHEMA if f"`{name}`" not in text]
    assert not missing, f"docs/use/recordings.md says nothing of {', '.join(missing)}"


def test_a_part_can_be_read_by_itself(tmp_path):
    parts = Parts(tmp_path, began=AT, rotate_bytes=1)
    parts.write(frame_of([Update(QUOTES, MOUTAI, 1, quote(), CARRIER, AT)], "e"))
    (part,) = parts_in(tmp_path)
    assert pl.read_parquet(tmp_path / part.name)["symbol"].to_list() == [MOUTAI]
