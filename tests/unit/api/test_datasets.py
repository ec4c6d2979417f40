"""The path that another gateway asks."""

from datetime import date

import pytest

from argus_api.v1.dataset_schemas import MOST_KEYS, QUESTIONS
from argus_core import Period, Symbol, asked_body, read_told
from argus_core.extend.source import DATASETS
from argus_core.market.ranges import bars_query

DATES = {"start": "2024-01-10", "end": "2024-01-12"}
ASKED = {
    "quotes": {"symbols": ["000001.SZ"]},
    "depth": {"symbols": ["000001.SZ"], "levels": 10},
    "bars": {"symbols": ["000001.SZ"], "period": "1d", **DATES},
    "factors": {"symbols": ["000001.SZ"], **DATES},
    "instruments": {"symbols": ["000001.SZ"]},
    "listings": {"exchanges": ["SH"]},
    "calendar": {"exchanges": ["SH"], **DATES},
    "sectors": {"sectors": ["银行"]},
}


async def post(api, dataset, body, **headers):
    path = f"/api/v1/datasets/{dataset}"
    how = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await api.client.post(path, headers=headers, **how)


def test_every_dataset_can_be_asked_for():
    assert set(QUESTIONS) == set(DATASETS)


@pytest.mark.parametrize("dataset", sorted(ASKED))
async def test_values_come_with_their_origins(api, dataset):
    response = await post(api, dataset, ASKED[dataset])
    assert response.status_code == 200, response.text
    told = read_told(dataset, response.content)
    (key, origin), *_ = told.origins.items()
    assert (origin.path, origin.simulated, origin.stale) == (("small",), False, False)
    assert told.now == api.clock.now()
    assert told.frame is not None or key in told.values
    assert response.headers["X-Argus-Source"] == "small"
    assert response.headers["X-Argus-Gateway"] == api.gateway.id
    assert response.headers["Cache-Control"] == "no-store"
    assert any(step.startswith("small answered 1 of 1") for step in told.steps)


async def test_the_age_counts_from_the_fetch(api):
    await post(api, "quotes", ASKED["quotes"])
    api.clock.advance(2)
    response = await post(api, "quotes", ASKED["quotes"])
    assert read_told("quotes", response.content).origins["000001.SZ"].age == 2.0
    for term, how in (({"use_cache": False}, {}), ({}, {"Cache-Control": "no-cache"})):
        response = await post(api, "quotes", ASKED["quotes"] | term, **how)
        assert read_told("quotes", response.content).origins["000001.SZ"].age == 0.0
        api.clock.advance(1)


async def test_absent_keys_have_an_origin_and_unreadable_ones_a_failure(api):
    body = {"symbols": ["000001.SZ", "600001.SH", "nonsense"]}
    told = read_told("quotes", (await post(api, "quotes", body)).content)
    assert list(told.values) == ["000001.SZ"]
    assert set(told.origins) == {"000001.SZ", "600001.SH"}
    assert told.failures["nonsense"].code == "INVALID_PARAMETER"


async def test_frames_are_packed_inside_of_arrow_if_that_is_wanted(api):
    query = bars_query((Symbol("000001.SZ"),), Period.M1, date(2023, 1, 2), date(2023, 12, 29))
    sizes = {}
    for packed in (True, False):
        body = asked_body(query, compress=packed)
        response = await post(api, "bars", body, **{"Accept-Encoding": "gzip"})
        assert response.headers["Content-Type"] == "application/vnd.argus.frames"
        assert "Content-Encoding" not in response.headers
        sizes[packed] = len(response.content)
        assert read_told("bars", response.content).frame.height == 3 * 260
    assert sizes[True] < sizes[False] / 3


BAD = [
    ("quotes", b"", "symbols"),
    ("quotes", b"[]", "the body"),
    ("quotes", b"nonsense", "the body"),
    ("quotes", {"symbols": []}, "symbols"),
    ("quotes", {"symbols": ["nonsense"]}, "symbols"),
    ("quotes", {"symbols": ["000001.SZ"], "levels": 5}, "levels"),
    ("quotes", {"symbols": ["000001.SZ"], "max_staleness": -1}, "max_staleness"),
    ("quotes", {"symbols": ["000001.SZ"] * (MOST_KEYS + 1)}, "symbols"),
    ("depth", {"symbols": ["000001.SZ"], "levels": 0}, "levels"),
    ("bars", {"symbols": ["000001.SZ"], "period": "1y", **DATES}, "period"),
    ("bars", ASKED["bars"] | {"start": "2024-01-13"}, "start"),
    ("bars", ASKED["bars"] | {"since": "2024-01-10T00:00:00"}, "since"),
    ("calendar", {"exchanges": ["NYSE"], **DATES}, "exchanges.0"),
    ("nothing", {}, "dataset"),
]


@pytest.mark.parametrize(("dataset", "body", "place"), BAD)
async def test_a_bad_question_names_the_field(api, dataset, body, place):
    response = await post(api, dataset, body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["code"] in ("INVALID_PARAMETER", "MISSING_PARAMETER")
    details = error["details"]
    assert place in str(details)


async def test_too_many_rows_are_refused_before_anybody_is_asked(api):
    symbols = [f"{600000 + n}.SH" for n in range(100)]
    body = {"symbols": symbols, "period": "1m", "start": "2000-01-01", "end": "2024-01-01"}
    response = await post(api, "bars", body)
    assert response.status_code == 413
    assert "fewer symbols" in response.json()["error"]["message"]


async def test_what_no_source_offers_is_not_supported(api):
    response = await post(api, "main_contracts", {"symbols": ["rb88.SHFE"], "day": "2024-01-12"})
    assert response.status_code == 501


async def test_a_failure_of_the_sources_says_that_it_was_theirs(start):
    async with start({"small": {"broken": True}}) as api:
        response = await post(api, "quotes", ASKED["quotes"])
    assert response.status_code == 503
    assert response.json()["error"]["details"]["sources"] == "failed"


async def test_a_question_that_was_here_before_is_refused(api):
    headers = {"X-Argus-Via": f"abc, {api.gateway.id}"}
    response = await post(api, "quotes", ASKED["quotes"], **headers)
    assert response.status_code == 508
    assert response.json()["error"]["code"] == "LOOP_DETECTED"
    eight = ", ".join("abcdefgh")
    assert (await post(api, "quotes", ASKED["quotes"], **{"X-Argus-Via": eight})).status_code == 508


@pytest.mark.parametrize("via", ["a b", "a,<b>", "x" * 2000])
async def test_nonsense_in_via_is_a_bad_parameter(api, via):
    response = await post(api, "quotes", ASKED["quotes"], **{"X-Argus-Via": via})
    assert response.status_code == 400


async def test_it_needs_the_scope_for_data(start):
    async with start(auth={"plugins": ["api_key"]}) as api:
        response = await post(api, "quotes", ASKED["quotes"])
        assert response.status_code == 401
