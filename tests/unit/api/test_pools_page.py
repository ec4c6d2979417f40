"""The lines of docs/operate/pools.md, run as they stand, and what the admin paths answer."""

import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.distribution import install

from argus_api.v1 import pool_schemas as schemas
from argus_core.config import Config

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operate" / "pools.md"
PEER = """
    from argus_core import Settings, Source, hookimpl

    class Peer(Source):
        class Settings(Settings):
            url: str
            address: str
            max_connections: int

    @hookimpl
    def register_source():
        return Peer
"""
SOURCES = ("qmt_a", "qmt", "tushare")
FILE = "".join(f'[sources.{name}]\nplugin = "small"\n' for name in SOURCES)
FILE += '[server_nodes]\nallow = ["agent-1.lan:8001"]\n'


def lines():
    """Method, path and JSON body of each curl line of the page, in order."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for words in (shlex.split(line) for block in blocks for line in re.split(r"\n(?=curl)", block)):
        url = next(word for word in words if "://" in word)
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
        yield method, urlsplit(url).path, body


@pytest.fixture
async def api(start, tmp_path, monkeypatch):
    root = tmp_path / "peer"
    root.mkdir()
    install(root, monkeypatch, dist="peer-dist", module="peer_module", source=PEER, entry="peer")
    monkeypatch.setattr("argus_api.v1.pools.NODES", "peer")
    path = tmp_path / "plugins.toml"
    path.write_text(FILE, encoding="utf-8")
    tables = {"server_nodes": {"allow": ["agent-1.lan:8001"]}}
    async with start({name: {} for name in SOURCES}, **tables) as running:

        async def resolve(_host, _port):
            return ["10.0.0.7"]

        gateway = running.gateway
        loaded = Config.load(path, {}).with_server(data_dir=tmp_path)
        gateway.config = loaded
        gateway.control.file = loaded
        gateway.control._resolve = resolve
        gateway.control._door = gateway.control._door_of(loaded)
        running.file = path
        yield running


async def test_every_line_of_the_page_works(api):
    asked = list(lines())
    assert len(asked) == 9
    for method, path, body in asked:
        answer = await api.client.request(method, path, json=body)
        assert answer.status_code == 200, f"{method} {path}: {answer.text}"
        assert answer.json()["success"] is True


async def test_the_shapes_of_routes_switches_and_reloads(api):
    body = (await api.client.put("/api/v1/routes/bars", json={"pools": ["qmt"]})).json()
    schemas.RouteBody.model_validate(body)
    assert body["data"] == {
        "dataset": "bars",
        "pools": ["qmt"],
        "order": "written",
        "defined_by": "api",
        "rules": [],
    }
    ordered = {"pools": ["qmt"], "order": "quality"}
    body = (await api.client.put("/api/v1/routes/bars", json=ordered)).json()
    schemas.RouteBody.model_validate(body)
    assert body["data"]["order"] == "quality"
    assert (await api.get("/api/v1/routes/bars")).json()["data"] == body["data"]
    body = (await api.client.patch("/api/v1/sources/qmt", json={"drain": True})).json()
    schemas.SwitchBody.model_validate(body)
    assert body["data"]["state"] == "off"
    assert (await api.get("/health")).json()["services"]["qmt"] == "down"
    body = (await api.client.post("/api/v1/admin/reload")).json()
    schemas.ReloadBody.model_validate(body)
    assert body["data"]["needs_restart"] == []


async def test_a_bad_file_is_a_409_and_says_where_and_how(api):
    api.file.write_text("[sources.x]\nplugin = 'smal'\n")
    answer = await api.client.post("/api/v1/admin/reload")
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert "'small'" in error["message"]
    assert error["details"]["where"].endswith("[sources.x]")
    assert error["details"]["fix"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/api/v1/sources/nobody", {"drain": True}, 404),
        ("PATCH", "/api/v1/sources/qmt", {}, 400),
        ("PATCH", "/api/v1/sources/qmt", {"enabled": "no"}, 400),
        ("PUT", "/api/v1/routes/bars", {"pools": ["nobody"]}, 400),
        ("PUT", "/api/v1/routes/bars", {"pools": ["qmt"], "order": "best"}, 400),
        ("PUT", "/api/v1/routes/barz", {"pools": ["qmt"]}, 404),
        ("GET", "/api/v1/routes/barz", None, 404),
    ],
)
async def test_bad_requests_are_refused(api, method, path, body, status):
    assert (await api.client.request(method, path, json=body)).status_code == status
