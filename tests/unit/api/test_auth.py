"""Authentication: headers only, one scope for data, nothing for health and docs."""

import pytest
from support.distribution import install

DATA_PATHS = [
    "/api/v1/market_data/latest",
    "/api/v1/market_data/full",
    "/api/v1/market_data/history",
    "/api/v1/market_data/instrument_detail",
    "/api/v1/market_data/trading_dates",
    "/api/v1/market_data/stock_list",
    "/api/v1/sources",
    "/latest_market",
    "/full_market",
    "/hist_kline",
    "/instrument_detail",
    "/trading_dates",
    "/api/get_trading_dates",
    "/stock_list",
]
OPEN_PATHS = ["/health", "/docs", "/redoc", "/openapi.json", "/docs-assets/swagger-ui.css"]

DOOR = """
    from argus_core import Authenticator, BadCredentials, Principal, hookimpl

    SEEN = []

    class Door(Authenticator):
        async def authenticate(self, presented):
            SEEN.append(presented)
            secret = presented.api_key or presented.bearer
            if secret is None:
                return None
            scopes = {"good": {"data"}, "manager": {"manage"}}.get(secret.get_secret_value())
            if scopes is None:
                raise BadCredentials("a valid key is required")
            return Principal(id="someone", scopes=frozenset(scopes))

    @hookimpl
    def register_authenticator():
        return Door
"""


@pytest.fixture
async def guarded(start, tmp_path, monkeypatch):
    (tmp_path / "door").mkdir()
    install(
        tmp_path / "door",
        monkeypatch,
        dist="door-dist",
        module="door_module",
        source=DOOR,
        entry="door",
    )
    async with start(auth={"plugins": ["door"]}) as api:
        yield api


@pytest.mark.parametrize("path", DATA_PATHS)
async def test_data_need_credentials(guarded, path):
    response = await guarded.get(path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["error"]["code"] == "UNAUTHORIZED"


async def test_the_chart_panel_too(guarded):
    assert (await guarded.client.post("/create_chart_panel")).status_code == 401
    headers = {"X-API-Key": "good"}
    body = {"symbols": ["000001.SZ"]}
    response = await guarded.client.post("/create_chart_panel", headers=headers, json=body)
    assert response.status_code == 501
    assert response.json()["error"]["code"] == "NOT_SUPPORTED"


@pytest.mark.parametrize("path", OPEN_PATHS)
async def test_health_and_docs_need_none(guarded, path):
    assert (await guarded.get(path)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "good"},
        {"Authorization": "Bearer good"},
        {"Authorization": "bearer  good "},
        {"X-API-Key": "good", "Authorization": "Bearer other"},
    ],
)
async def test_either_header(guarded, headers):
    response = await guarded.v1("latest", symbols="000001.SZ", headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": "bad"}, {"X-API-Key": ""}, {"Authorization": "Basic good"}],
)
async def test_bad_credentials(guarded, headers):
    response = await guarded.v1("latest", symbols="000001.SZ", headers=headers)
    assert response.status_code == 401


async def test_only_who_shows_nothing_is_told_where_to_put_a_key(guarded):
    nothing = await guarded.v1("latest", symbols="000001.SZ")
    told = nothing.json()["error"]["message"]
    assert "X-API-Key" in told
    assert "Authorization: Bearer" in told
    for headers in ({"X-API-Key": "bad"}, {"Authorization": "Bearer revoked"}):
        response = await guarded.v1("latest", symbols="000001.SZ", headers=headers)
        assert response.json()["error"]["message"] == "a valid key is required"


async def test_credentials_are_judged_before_parameters(guarded):
    assert (await guarded.v1("latest", nonsense="1")).status_code == 401


async def test_another_scope_is_forbidden(guarded):
    response = await guarded.v1("latest", symbols="000001.SZ", headers={"X-API-Key": "manager"})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("name", ["api_key", "key", "token", "access_token", "API_KEY"])
async def test_a_key_in_the_url_is_refused_and_not_repeated(guarded, name):
    params = {"symbols": "000001.SZ", name: "good"}
    response = await guarded.v1("latest", headers={"X-API-Key": "good"}, **params)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert name in message
    assert "X-API-Key" in message
    assert "good" not in response.text


async def test_secrets_are_wrapped_and_the_client_is_named(guarded):
    import door_module

    headers = {"X-API-Key": "good"}
    await guarded.v1("latest", symbols="000001.SZ", headers=headers)
    assert "good" not in repr(door_module.SEEN)
    assert door_module.SEEN[-1].client == "127.0.0.1"
