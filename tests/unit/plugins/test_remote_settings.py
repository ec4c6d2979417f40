"""What may stand in the table of another Argus."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from argus_remote.settings import RemoteSettings


def settings(**given):
    return RemoteSettings.model_validate(given)


@pytest.mark.parametrize(
    ("given", "scheme", "host", "target", "here"),
    [
        ({}, "http", "127.0.0.1:8001", "127.0.0.1:8001", True),
        ({"url": "http://agent.lan:8001/"}, "http", "agent.lan:8001", "agent.lan:8001", False),
        ({"url": "https://agent.lan"}, "https", "agent.lan", "agent.lan", False),
        (
            {"url": "https://agent.lan", "address": "10.0.0.7"},
            "https",
            "agent.lan",
            "10.0.0.7:443",
            False,
        ),
        (
            {"url": "http://agent.lan:8001", "address": "fd00::7"},
            "http",
            "agent.lan:8001",
            "[fd00::7]:8001",
            False,
        ),
        ({"url": "http://localhost:1"}, "http", "localhost:1", "localhost:1", True),
    ],
)
def test_where_it_connects_to_and_what_it_says_there(given, scheme, host, target, here):
    made = settings(**given)
    assert (made.scheme, made.host, made.target, made.here) == (scheme, host, target, here)
    assert made.compressed is not here


@pytest.mark.skipif(sys.platform == "win32", reason="unix sockets")
@pytest.mark.parametrize("given", [{"url": "http+unix:///run/a.sock"}, {"socket": "/run/a.sock"}])
def test_a_unix_socket_is_on_this_machine(given):
    made = settings(**given, key="k")
    assert (made.uds, made.scheme, made.host, made.here) == ("/run/a.sock", "http", "argus", True)


def test_windows_has_no_unix_sockets(monkeypatch):
    monkeypatch.setattr("os.name", "nt")
    with pytest.raises(ValidationError, match=r"use http://127\.0\.0\.1"):
        settings(url="http+unix:///run/a.sock")


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://agent.lan:8001", "key": "k"},
        {"url": "http://127.0.0.1:8001", "address": "10.0.0.7", "key": "k"},
    ],
)
def test_a_key_does_not_travel_in_the_clear(given):
    with pytest.raises(ValidationError, match="allow_http") as caught:
        settings(**given)
    assert "'k'" not in str(caught.value)
    assert settings(**given, allow_http=True).key.get_secret_value() == "k"


@pytest.mark.parametrize(
    "given",
    [
        {"url": "agent.lan:8001"},
        {"url": "ftp://agent.lan"},
        {"url": "http://"},
        {"url": "http://agent.lan:0"},
        {"url": "http://agent.lan:99999"},
        {"url": "http://me:secret@agent.lan"},
        {"url": "http://agent.lan/api"},
        {"url": "http://agent.lan?key=1"},
        {"url": "http+unix://host/path"},
        {"address": "agent.lan"},
        {"datasets": []},
        {"datasets": ["prices"]},
        {"simulated": "perhaps"},
        {"max_connections": 0},
        {"socket": "/run/a.sock", "address": "10.0.0.7"},
    ],
)
def test_what_cannot_be_is_refused(given):
    with pytest.raises(ValidationError):
        settings(**given)


def test_every_setting_stands_in_the_documentation():
    page = Path(__file__).parents[3] / "docs" / "operate" / "remote.md"
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| `")]
    told = [row.split("`")[1] for row in rows]
    assert set(RemoteSettings.model_fields) == {name for name in told if name != "use_cache=false"}
