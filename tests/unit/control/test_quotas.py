"""The calls of a day in the state database: kept, added up, told apart, never in the way."""

import asyncio
import logging
import sqlite3
import threading

import pytest
from support.clock import TestClock

from argus_core import Allowance
from argus_core.control import bookkeeper
from argus_core.control.bookkeeper import Bookkeeper
from argus_core.control.quotas import QuotaTable
from argus_core.control.records import Stored
from argus_core.control.state import FILE, State
from argus_core.routing.quota.daybook import Daybook, Owner
from argus_core.routing.quota.identity import identity_of
from argus_core.routing.quota.tally import Tally

DAY = 86_400
ONE, TWO = (Owner("m", identity_of("p", {"token": token})) for token in ("one", "two"))


class Process:
    """What one process holds: a daybook, and who keeps it."""

    def __init__(self, path, clock, table=None):
        self.clock = clock
        self.book = Daybook()
        self.table = table or QuotaTable(path, clock)
        self.keeper = Bookkeeper(self.book, self.table)

    def tally(self, owner=ONE, interface="daily"):
        allowance = Allowance(interface=interface, calls_per_day=50)
        return Tally(allowance, self.clock, self.book.page(owner).days(interface))

    def call(self, calls=1, owner=ONE, interface="daily"):
        tally = self.tally(owner, interface)
        tally.promise(calls)
        tally.ended(calls)

    def used(self, owner=ONE, interface="daily"):
        return self.tally(owner, interface).today


@pytest.fixture
def clock():
    return TestClock("2024-03-15 10:00:00")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / FILE


async def begun(path, clock, *owners):
    """A process that has begun and knows these accounts."""
    process = Process(path, clock)
    for owner in owners or (ONE, TWO):
        process.tally(owner)
    await process.keeper.exchange()
    return process


def rows(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT * FROM quota_calls").fetchall()


async def test_a_restart_forgets_nothing_and_goes_on_counting(path, clock):
    for used in (0, 3, 6):
        process = await begun(path, clock)
        assert process.used() == used
        process.call(2)
        process.call(1)
        process.call(1, interface="weekly")
        await process.keeper.aclose()
    last = await begun(path, clock)
    assert (last.used(), last.used(interface="weekly"), last.used(TWO)) == (9, 3, 0)


async def test_another_account_does_not_inherit_and_the_first_is_found_again(path, clock):
    process = await begun(path, clock, ONE)
    process.call(7)
    await process.keeper.aclose()
    process = await begun(path, clock, TWO)
    assert process.used(TWO) == 0
    process.call(1, TWO)
    await process.keeper.aclose()
    process = await begun(path, clock)
    assert (process.used(ONE), process.used(TWO)) == (7, 1)


async def test_the_count_ends_with_the_day_in_beijing(path):
    clock = TestClock("2024-03-15 23:59:00")
    process = await begun(path, clock)
    process.call(7)
    await process.keeper.aclose()
    clock.advance(59)
    assert (await begun(path, clock)).used() == 7
    clock.advance(1)
    assert (await begun(path, clock)).used() == 0


async def test_days_that_are_over_leave_the_file(path, clock):
    for _ in range(10):
        process = await begun(path, clock)
        process.call()
        await process.keeper.aclose()
        clock.advance(DAY)
    assert len(rows(path)) == 4, "today's, and three against clocks that are wrong"


async def test_no_file_is_made_and_none_is_touched_while_nothing_is_counted(path, clock):
    process = await begun(path, clock)
    await process.keeper.aclose()
    free = Tally(Allowance(calls_per_minute=5), clock, process.book.page(ONE).days("*"))
    free.promise(1)
    free.ended(1)
    await process.keeper.aclose()
    assert not path.parent.exists()


async def test_two_processes_add_up(path, clock):
    first, second = await begun(path, clock), await begun(path, clock)
    first.call(3)
    second.call(4)
    await first.keeper.write()
    await second.keeper.write()
    assert (first.used(), second.used()) == (3, 7)
    first.call()
    await first.keeper.write()
    assert first.used() == 8
    await asyncio.gather(first.keeper.aclose(), second.keeper.aclose())
    assert (await begun(path, clock)).used() == 8


async def test_many_who_write_at_once_lose_nothing(path, clock):
    processes = [await begun(path, clock) for _ in range(6)]

    async def work(process):
        for _ in range(5):
            process.call()
            await process.keeper.write()

    await asyncio.gather(*map(work, processes))
    assert (await begun(path, clock)).used() == 30


async def test_writing_twice_counts_once(path, clock):
    process = await begun(path, clock)
    process.call(3)
    table, own = process.table, process.keeper._unwritten()
    for _ in range(2):
        table.exchange("me", own, (ONE,))
    assert (await begun(path, clock)).used() == 3


async def test_the_file_betrays_no_secret(path, clock):
    secret = Owner("m", identity_of("p", {"token": "correct horse"}))
    process = await begun(path, clock, secret)
    process.call(1, secret)
    await process.keeper.aclose()
    ((_source, account, *_rest),) = rows(path)
    assert len(account) == 8
    held = b"".join(p.read_bytes() for p in path.parent.iterdir())
    assert b"correct horse" not in held
    assert secret.identity not in held
    assert secret.identity.hex().encode() not in held


async def test_two_files_give_an_account_two_fingerprints(tmp_path, clock):
    found = set()
    for name in "ab":
        process = await begun(tmp_path / name / FILE, clock)
        process.call()
        await process.keeper.aclose()
        found.add(rows(process.table.path)[0][1])
    assert len(found) == 2


async def test_what_operators_changed_and_what_was_counted_share_the_file(path, clock):
    process = await begun(path, clock)
    process.call(3)
    await process.keeper.write()
    state = State(path, clock)
    assert await state.read() == Stored()
    await state.write(Stored(), Stored())
    process.call(1)
    await process.keeper.write()
    assert await state.generation() == 1, "who looks for changes of operators sees none"
    assert (await begun(path, clock)).used() == 4


# -- what may go wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["text", "directory", "columns", "salt"])
async def test_a_file_that_cannot_be_read_is_told_of_and_stops_nobody(path, clock, damage, caplog):
    path.parent.mkdir()
    if damage == "text":
        path.write_text("this is no database" * 100)
    elif damage == "directory":
        path.mkdir()
    else:
        process = await begun(path, clock)
        process.call()
        await process.keeper.aclose()
        statements = {
            "columns": "DROP TABLE quota_calls; CREATE TABLE quota_calls (source TEXT)",
            "salt": "UPDATE quota_salt SET salt = 'salt'",
        }
        with sqlite3.connect(path) as connection:
            connection.executescript(statements[damage])
    with caplog.at_level(logging.WARNING):
        process = await begun(path, clock)
        assert process.used() == 0
        process.call(2)
        await process.keeper.write()
        await process.keeper.write()
        await process.keeper.aclose()
    assert process.used() == 2
    assert len(caplog.records) <= 2, "each reason once"
    assert "cannot be kept in" in caplog.text
    assert FILE in caplog.text


async def test_a_row_that_nobody_understands_costs_only_itself(path, clock, caplog):
    process = await begun(path, clock)
    process.call(3)
    await process.keeper.aclose()
    account = rows(path)[0][1]
    with sqlite3.connect(path) as connection:
        for day, calls in (("someday", 1), ("2024-03-15", "many")):
            row = ("m", account, f"odd {day}", day, "x", calls)
            connection.execute("INSERT INTO quota_calls VALUES (?, ?, ?, ?, ?, ?)", row)
    again = await begun(path, clock)
    assert again.used() == 3
    assert caplog.text.count("nobody understands") == 2


async def test_what_could_not_be_written_is_written_later(path, clock, caplog):
    process = await begun(path, clock)
    process.call(3)
    path.parent.write_text("in the way")
    await process.keeper.write()
    await process.keeper.write()
    assert caplog.text.count("cannot be kept") == 1
    path.parent.unlink()
    await process.keeper.write()
    assert (await begun(path, clock)).used() == 3


async def test_a_lost_file_is_written_anew_with_what_this_process_made(path, clock):
    process = await begun(path, clock)
    process.call(3)
    await process.keeper.write()
    for part in path.parent.iterdir():
        part.unlink()
    process.call(1)
    await process.keeper.aclose()
    assert (await begun(path, clock)).used() == 4


# -- when it is written -------------------------------------------------------------------------


class Watched(QuotaTable):
    """Counts the exchanges, and lets a test hold one up."""

    def __init__(self, path, clock):
        super().__init__(path, clock)
        self.exchanges = 0
        self.may = threading.Event()
        self.may.set()
        self.began = threading.Event()
        self.ended = threading.Event()

    def exchange(self, process, own, owners):
        self.exchanges += 1
        self.began.set()
        assert self.may.wait(30)
        heard = super().exchange(process, own, owners)
        self.ended.set()
        return heard


async def test_many_calls_are_one_writing(path, clock, monkeypatch):
    monkeypatch.setattr(bookkeeper, "EVERY", 0.001)
    process = Process(path, clock, Watched(path, clock))
    process.keeper.start()
    process.keeper.start()
    for _ in range(1000):
        process.call()
    assert await asyncio.to_thread(process.table.ended.wait, 30)
    await process.keeper.aclose()
    assert process.table.exchanges == 1, "what has not changed is not written again"
    assert (await begun(path, clock)).used() == 1000


async def test_the_loop_runs_on_while_the_disk_is_slow_and_calls_meanwhile_are_kept(path, clock):
    process = Process(path, clock, Watched(path, clock))
    process.table.may.clear()
    process.call()
    writing = asyncio.get_running_loop().create_task(process.keeper.write())
    await asyncio.to_thread(process.table.began.wait)
    process.call(2)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    closing = asyncio.get_running_loop().create_task(process.keeper.aclose())
    await asyncio.sleep(0)
    assert process.table.exchanges == 1, "the last writing never overtakes the one under way"
    process.table.may.set()
    await closing
    assert process.table.exchanges == 2
    assert (await begun(path, clock)).used() == 3
