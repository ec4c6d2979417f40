"""What the page about live updates says, held against the server's own tables."""

import json
import re
from pathlib import Path

import pytest
from support.asyncapi import Described

from argus_api import create_app
from argus_api.stream.asks import ACTIONS, CHANNELS, LONGEST_PAUSE
from argus_api.stream.asyncapi import document
from argus_api.stream.audience import HEARTBEAT, MESSAGES
from argus_api.stream.codes import ABUSES, CLOSES, HANDSHAKES
from argus_api.stream.modern import JSON_PROTOCOL, MSGPACK_PROTOCOL
from argus_api.stream.pace import A_SECOND, AT_ONCE, LONGEST, MUCH, TOGETHER
from argus_api.stream.protocol import (
    BYTE,
    FRAGMENT,
    FRAGMENTS,
    LARGEST,
    LAST_BYTES,
    PATIENT,
    PINGS,
)
from argus_api.stream.server import AUTH, PATH
from argus_api.stream.talk import SYMBOL
from argus_cli.unasked import TOO_LATE, WHOLE
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.stream_table import StreamTable
from argus_core.streaming.caught import REMEMBERED
from argus_core.streaming.lanes import QUEUED

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "use" / "websocket.md").read_text("utf-8")
BLOCK = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section(title):
    """The text below a heading."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(text):
    """The first cells of the rows of a table."""
    return [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")][1:]


@pytest.fixture(scope="module")
def described():
    app = create_app(Gateway(Config.parse({}, {})))
    made = document(app.state.audience, host="localhost", secure=False)
    return Described(json.loads(json.dumps(made)))


def examples():
    """Every message that the page shows."""
    for block in BLOCK.findall(PAGE):
        rest = block.strip()
        while rest:
            told, end = json.JSONDecoder().raw_decode(rest)
            yield told
            rest = rest[end:].strip()


def test_every_example_is_a_message_of_the_protocol(described):
    told = list(examples())
    assert {one.get("type", one.get("action")) for one in told} == {
        *("subscribe", "subscribed", "snapshot", "update", "market_data")
    }
    for one in told:
        channel = "plain" if one.get("type") == "market_data" else "modern"
        described.check(channel, one, "type" if "type" in one else "action")


def test_the_codes_are_those_that_the_server_uses():
    assert [int(code) for code in first_column(section("Why it was closed"))] == sorted(CLOSES)
    statuses = [name for name in first_column(section("Coming in")) if name.isdecimal()]
    assert [int(status) for status in statuses] == sorted(HANDSHAKES)


def test_every_channel_action_and_message_is_named(described):
    for name in (*CHANNELS, *ACTIONS, JSON_PROTOCOL, MSGPACK_PROTOCOL):
        assert f"`{name}`" in PAGE or f'"{name}"' in PAGE, name
    for name in described.document["channels"]["modern"]["messages"]:
        assert f"`{name}`" in PAGE or f'"{name}"' in PAGE, name
    assert f"`{PATH}`" in PAGE


def test_the_limits_are_the_defaults():
    table = StreamTable()
    rows = dict(
        [cell.strip() for cell in row.split("|")[1:3]]
        for row in section("Limits").splitlines()
        if row.startswith("| ")
    )
    told = [value.replace(" ", "") for value in list(rows.values())[1:]]
    expected = (table.max_symbols, MESSAGES, f"{LARGEST // 1024}KB", FRAGMENTS, PINGS)
    assert told == [str(value) for value in (*expected, table.max_connections)]
    text = re.sub(r"\s+", " ", PAGE)
    assert f"within {AUTH:.0f} seconds" in text
    assert f"nothing was sent for {HEARTBEAT:.0f} s" in text
    assert f"lie for {table.write_deadline:.0f} seconds" in text
    assert f"beyond the {QUEUED} that wait" in text
    assert f"the last {QUEUED} trades wait" in text
    assert f"the last {REMEMBERED} at least" in text
    assert f"Up to {LONGEST_PAUSE:_}".replace("_", " ") in text
    assert table.max_queued_bytes == 1024 * 1024, "the page says a megabyte"


def test_the_pace_and_what_follows_an_abuse_are_those_of_the_server():
    text = re.sub(r"\s+", " ", PAGE)
    assert (SYMBOL, FRAGMENT, 10_000 * BYTE) == (1 / 10, 1 / 4, 1)
    assert f"{AT_ONCE:.0f} units are read at once, {A_SECOND:.0f} a second after that" in text
    assert f"Who goes on for {LONGEST:.0f} seconds" in text
    assert f"said {AT_ONCE * MUCH:.0f} units or more" in text
    assert f"get {TOGETHER:.0f} a second together" in text
    assert f"reads again within {PATIENT:.0f} seconds" in text
    assert f"after {LAST_BYTES:.0f} seconds it is cut off" in text
    *first, last = sorted(ABUSES)
    assert f"With {', '.join(map(str, first))} and {last} nothing more of you is read" in text
    assert f"An address of which {StreamTable().max_abuses} connections within a minute" in text
    assert f"no whole request has come for {WHOLE:.0f} seconds gets `408`" in text
    assert TOO_LATE.startswith(b"HTTP/1.1 408 ")
