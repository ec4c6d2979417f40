"""The documentation: works without internet, describes what is really there."""

import re

import pytest

from argus_api import schemas
from argus_api.openapi import TAGS

FOREIGN = re.compile(r"""(?:src|href|url\()\s*=?\s*["'(]?\s*(?:https?:)?//""", re.IGNORECASE)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_pages_ask_nobody_else(api, path):
    page = await api.get(path)
    assert page.status_code == 200
    assert not FOREIGN.search(page.text)
    assert "https://" not in page.text
    assert "http://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assets = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert any(asset.endswith(".js") for asset in assets)
    for asset in assets:
        assert (await api.get(asset)).status_code == 200, asset


async def test_pages_work_below_a_prefix(api):
    import httpx

    transport = httpx.ASGITransport(app=api.app, root_path="/argus")
    async with httpx.AsyncClient(transport=transport, base_url="http://argus") as client:
        page = await client.get("/argus/docs")
    assert "'/argus/openapi.json'" in page.text
    assert 'src="/argus/docs-assets/' in page.text


async def test_every_route_is_described(api):
    schema = (await api.get("/openapi.json")).json()
    assert schema["info"]["title"] == "Argus"
    names = {tag["name"] for tag in TAGS}
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert set(operation["tags"]) <= names
            assert operation["summary"]
            assert operation["description"], path
            assert "422" not in operation["responses"]
    locked = {p for p, m in schema["paths"].items() if all("security" in o for o in m.values())}
    assert set(schema["paths"]) - locked == {"/health", "/health/live", "/health/ready"}
    assert set(schema["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}


async def test_parameters_are_described_from_the_tables_that_read_them(api):
    schema = (await api.get("/openapi.json")).json()
    history = schema["paths"]["/api/v1/market_data/history"]["get"]
    params = {param["name"]: param for param in history["parameters"]}
    assert params["symbols"]["required"] is True
    assert "`symbol`" in params["symbols"]["description"]
    periods = ["1m", "5m", "15m", "30m", "1h", "1d", "1w", "1mon"]
    assert params["period"]["schema"] == {"type": "string", "enum": periods, "default": "1d"}
    assert params["adjust"]["schema"]["enum"] == ["none", "pre", "post"]
    assert params["X-Argus-Deadline"]["in"] == "header"
    for status in ("400", "401", "403", "404", "406", "413", "501", "503", "504"):
        content = history["responses"][status]["content"]["application/json"]
        assert content["schema"]["$ref"].endswith("ErrorBody")
    assert "application/vnd.apache.parquet" in history["responses"]["200"]["content"]


async def test_headers_are_described_once_and_referred_to(api):
    schema = (await api.get("/openapi.json")).json()
    components = schema["components"]["headers"]
    promised = {"X-Request-ID", "X-Argus-Source", "X-Argus-Attempts", "X-Argus-Simulated"}
    promised |= {"X-Argus-Replay", "X-Argus-Stale", "Cache-Status", "Age", "ETag"}
    assert set(components) == promised | {"Retry-After"}
    assert all(header["description"] for header in components.values())
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                headers = response.get("headers", {})
                for name, header in headers.items():
                    assert header == {"$ref": f"#/components/headers/{name}"}
                if "304" in operation["responses"] and status in ("200", "304"):
                    assert set(headers) == promised, path
                if status == "503" and not path.startswith("/health"):
                    assert set(headers) == {"X-Request-ID", "Retry-After"}
    about = schema["info"]["description"]
    assert all(word in about for word in ("shares", "yuan", "Shanghai", "X-Argus-Simulated"))


async def test_health_and_sources_are_what_the_schema_promises(api):
    health = await api.get("/health")
    schemas.HealthBody.model_validate_json(health.content, extra="forbid")
    assert health.json()["services"] == {"small": "healthy"}
    assert health.json()["uptime_seconds"] == 0
    api.clock.advance(61)
    assert (await api.get("/health")).json()["uptime_seconds"] == 61
    sources = await api.get("/api/v1/sources")
    schemas.SourcesBody.model_validate_json(sources.content, extra="forbid")
    entry = sources.json()["data"][0]
    assert (entry["name"], entry["plugin"], entry["state"]) == ("small", "small", "up")
    assert "quotes" in entry["datasets"]
