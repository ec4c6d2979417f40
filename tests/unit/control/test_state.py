"""The state database: whole or not at all, shared, never fatal."""

import asyncio
import sqlite3

import pytest
from support.clock import TestClock

from argus_core.control.records import PoolRecord, RouteRecord, ServerNode, Stored, Switch
from argus_core.control.state import FILE, Stale, State, StateError
from argus_core.tables import PoolLimits

POOL = PoolRecord(
    plugin="remote",
    balancer="round_robin",
    limits=PoolLimits(max_size=7),
    nodes=(ServerNode(host="fd00::7", port=8001, weight=2.5),),
)
FULL = Stored(
    pools={"p": POOL},
    routes={"bars": RouteRecord(pools=("p", "demo"), over=("demo",))},
    switches={"demo": Switch(drain=True)},
)


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "data" / FILE, TestClock())


async def test_nothing_is_stored_and_no_file_made_before_the_first_change(state):
    assert await state.read() == Stored()
    assert await state.generation() == 0
    assert not state.path.exists()


async def test_what_is_written_is_read_by_whoever_comes_later(state):
    written = await state.write(Stored(), FULL)
    assert written.generation == 1
    again = State(state.path, TestClock())
    assert await again.read() == written
    assert (await again.read()).pools["p"].sources("p") == {"p@[fd00::7]:8001": POOL.nodes[0]}
    fewer = await again.write(written, Stored(pools=FULL.pools))
    assert await state.read() == fewer
    assert await state.generation() == 2


async def test_who_did_not_see_the_last_change_overwrites_nothing(state):
    first = await state.write(Stored(), FULL)
    with pytest.raises(Stale):
        await state.write(Stored(), Stored())
    assert await state.read() == first


async def test_of_several_who_make_it_at_once_one_does_and_the_others_are_told(tmp_path):
    for number in range(40):
        path = tmp_path / str(number) / "state.sqlite3"
        several = [State(path, TestClock()) for _ in range(3)]
        writes = (one.write(Stored(), Stored()) for one in several)
        ended = await asyncio.gather(*writes, return_exceptions=True)
        assert sorted(type(one).__name__ for one in ended) == ["Stale", "Stale", "Stored"]


async def test_a_write_that_breaks_off_leaves_everything_as_it_was(state, monkeypatch):
    first = await state.write(Stored(), FULL)
    changed = Stored(pools={}, routes={}, switches={"demo": Broken()}, generation=1)
    with pytest.raises(RuntimeError):
        await state.write(first, changed)
    assert await state.read() == first


class Broken(Switch):
    def model_dump_json(self, **_options):
        raise RuntimeError("killed in the middle")


@pytest.mark.parametrize("size", [0, 30, 5000])
async def test_a_damaged_file_is_set_aside(state, caplog, size):
    await state.write(Stored(), FULL)
    for companion in ("-wal", "-shm"):
        state.path.with_name(FILE + companion).unlink(missing_ok=True)
    data = state.path.read_bytes()
    state.path.write_bytes(b"\x07garbage" * 4 + data[32:size] + b"\x00" * 4096)
    assert await state.read() == Stored()
    assert "is damaged" in caplog.text
    (aside,) = [path for path in state.path.parent.iterdir() if ".damaged-" in path.name]
    assert aside.name.startswith(FILE)
    assert (await state.write(Stored(), FULL)).generation == 1


async def test_a_row_of_a_later_version_is_left_out(state, caplog):
    await state.write(Stored(), FULL)
    with sqlite3.connect(state.path) as connection:
        connection.execute("INSERT INTO entries VALUES ('pools', 'odd', '{\"plugin\": 3}')")
        connection.execute("INSERT INTO entries VALUES ('tomorrow', 'x', '{}')")
    connection.close()
    assert (await state.read()).pools == FULL.pools
    assert "'odd'" in caplog.text
    assert "tomorrow" in caplog.text


async def test_a_directory_that_cannot_be_written_is_told(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(StateError, match="cannot be written"):
        await State(blocked / FILE, TestClock()).write(Stored(), FULL)


async def test_a_database_that_somebody_holds_is_told_and_not_set_aside(state, monkeypatch):
    monkeypatch.setattr("argus_core.control.state._PATIENCE", 0.01)
    first = await state.write(Stored(), FULL)
    holder = sqlite3.connect(state.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="locked"):
        await state.write(first, Stored())
    holder.execute("ROLLBACK")
    holder.close()
    assert await state.read() == first
