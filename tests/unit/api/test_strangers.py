"""What scripts of other people's pages may not send through an operator's browser."""

import pytest

from argus_api.strangers import is_strange

CACHE = "/api/v1/cache"
DESK = "https://desk.example"


@pytest.mark.parametrize(
    ("headers", "strange"),
    [
        ({}, False),
        ({"origin": "http://argus:8001"}, False),
        ({"origin": "https://argus:8001"}, False),
        ({"origin": DESK}, False),
        ({"origin": "http://desk.example"}, True),
        ({"origin": "http://argus:3000"}, True),
        ({"origin": "http://argus"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"origin": "http://[evil"}, True),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "https://behind.a.proxy"}, False),
        ({"sec-fetch-site": "cross-site", "origin": DESK}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://argus:3000"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://argus:8001"}, True),
    ],
)
def test_browsers_say_whose_script_it_is(headers, strange):
    assert is_strange({"host": "argus:8001", **headers}, (DESK,)) is strange


@pytest.mark.parametrize(
    ("origin", "host", "strange"),
    [
        ("http://argus.lan", "argus.lan:80", False),
        ("https://argus.lan", "argus.lan:443", False),
        ("http://argus.lan", "argus.lan:443", True),
        ("http://argus.lan:8080", "argus.lan:80", True),
    ],
)
def test_the_usual_port_may_be_said_or_left_out(origin, host, strange):
    assert is_strange({"origin": origin, "host": host}, ()) is strange


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{CACHE}/optimize"),
        ("DELETE", f"{CACHE}/clear"),
        ("PATCH", "/api/v1/sources/small"),
        ("PUT", "/api/v1/routes/quotes"),
        ("POST", "/api/v1/admin/reload"),
        ("POST", "/create_chart_panel"),
    ],
)
async def test_no_other_page_changes_anything(api, method, path):
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await api.client.request(method, path, headers=headers)
        assert answer.status_code == 403
        error = answer.json()["error"]
        assert error["code"] == "FORBIDDEN"
        assert "[stream] origins" in error["message"]
        assert error["details"] == {"request_id": answer.headers["X-Request-ID"]}


async def test_programs_and_own_pages_do(api):
    for headers in ({}, {"Origin": "http://argus"}, {"Sec-Fetch-Site": "same-origin"}):
        assert (await api.client.post(f"{CACHE}/optimize", headers=headers)).status_code == 200


async def test_a_page_that_the_operator_allows_does(start):
    async with start(stream={"origins": [DESK]}) as api:
        for origin, status in ((DESK, 200), ("https://evil.example", 403)):
            headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
            answer = await api.client.delete(f"{CACHE}/clear", headers=headers)
            assert answer.status_code == status


async def test_reading_is_as_before(api):
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = await api.v1("latest", symbols="000001.SZ", headers=headers)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
