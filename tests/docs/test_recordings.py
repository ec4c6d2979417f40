"""The page about recordings, done as it says."""

import re
from datetime import date
from pathlib import Path

from support.clock import TestClock
from support.recordings import MOUTAI, rows_of, whole_day

from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline
from argus_replay import Replay
from argus_replay.settings import ReplaySettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "use" / "recordings.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language):
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def test_the_snippets_read_a_recording_and_give_a_day_of_it_away(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    whole_day(tmp_path / "data" / "recordings", every=600)
    for text in blocks("python"):
        exec(text, {})
    assert "as_of" in capsys.readouterr().out
    given = tmp_path / "for-a-colleague"
    rows = rows_of(given)
    assert set(rows["symbol"]) == {MOUTAI}
    source = Replay("past", ReplaySettings(path=given), TestClock())
    assert source.replaying == {"day": "2024-03-15", "speed": 1}


async def test_the_tables_play_that_day(tmp_path):
    whole_day(tmp_path / "data" / "recordings", every=600)
    clock = TestClock("2026-11-20 22:00:00")
    (text,) = blocks("toml")
    path = tmp_path / "plugins.toml"
    path.write_text(text, encoding="utf-8")
    async with Gateway(Config.load(path, {}), clock=clock) as argus:
        clock.advance(6 * 60)  # an hour of that day
        answer = await argus.quotes((MOUTAI,), Ask(deadline=Deadline.within(5, clock)))
    assert answer.replay == {"day": "2024-03-15", "speed": 10}
    assert answer.as_of.date() == date(2024, 3, 15)
    assert answer.as_of.hour == 10


def test_every_setting_is_in_the_table():
    text = PAGE.read_text(encoding="utf-8")
    for name in ReplaySettings.model_fields:
        assert f"| `{name}` |" in text
