"""Errors: one body for all, the contract's codes and statuses, nothing of a vendor's text."""

import logging

import pytest
from support.distribution import install

from argus_api.errors import failed_batch
from argus_core.errors import (
    AllSourcesFailed,
    ArgusError,
    BadCredentials,
    BeyondHorizon,
    DeadlineExceeded,
    Forbidden,
    NotOffered,
    TooLarge,
    UnknownSymbol,
)
from argus_core.model.answer import Attempt, Failure

MUTE = """
    from argus_core import Source, hookimpl

    class Mute(Source):
        pass

    @hookimpl
    def register_source():
        return Mute
"""


def error_of(response):
    body = response.json()
    assert set(body) == {"success", "error", "timestamp"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["success"] is False
    assert body["timestamp"].endswith("+08:00")
    return body["error"]


def fail(monkeypatch, api, error):
    async def quotes(_symbols, _ask):
        raise error

    monkeypatch.setattr(api.gateway, "quotes", quotes)


class TestTable:
    @pytest.mark.parametrize("path", ["/api/v1/market_data/latest", "/latest_market"])
    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (BeyondHorizon("x"), 400, "BEYOND_HORIZON"),
            (BadCredentials("x"), 401, "UNAUTHORIZED"),
            (Forbidden("x"), 403, "FORBIDDEN"),
            (UnknownSymbol("x"), 404, "NOT_FOUND"),
            (TooLarge("x"), 413, "PAYLOAD_TOO_LARGE"),
            (NotOffered("x", details={"offered_by": ["demo"]}), 501, "NOT_SUPPORTED"),
            (AllSourcesFailed("x"), 503, "SERVICE_UNAVAILABLE"),
            (DeadlineExceeded("x"), 504, "TIMEOUT"),
            (ArgusError("x"), 500, "INTERNAL_ERROR"),
        ],
    )
    async def test_codes_and_statuses(  # noqa: PLR0917 - one column of the table each
        self, api, monkeypatch, path, error, status, code
    ):
        fail(monkeypatch, api, error)
        response = await api.get(path, symbols="000001.SZ")
        assert response.status_code == status
        told = error_of(response)
        assert told["code"] == code
        assert told["message"] == "x"
        assert ("retry-after" in response.headers) is (status == 503)
        assert ("www-authenticate" in response.headers) is (status == 401)
        assert response.headers["x-request-id"]

    async def test_what_the_sources_said_is_told_in_our_words(self, api, monkeypatch):
        attempt = Attempt(
            source="a", pool="p", started_ms=0, ms=1.23456, asked=1, answered=0,
            error="TIMEOUT", reason="no answer in time",
        )  # fmt: skip
        fail(monkeypatch, api, AllSourcesFailed("none", attempts=[attempt], retry_after=7.2))
        response = await api.v1("latest", symbols="000001.SZ")
        assert response.headers["retry-after"] == "8"
        told = {"source": "a", "pool": "p", "error": "TIMEOUT", "ms": 1.235}
        assert error_of(response)["details"] == {
            "attempts": [{**told, "reason": "no answer in time"}]
        }


class TestWholeWay:
    async def test_all_sources_down(self, start):
        async with start({"one": {"broken": True}, "two": {"broken": True}}) as api:
            response = await api.v1("latest", symbols="000001.SZ")
            health = await api.get("/health")
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        attempts = error_of(response)["details"]["attempts"]
        assert {attempt["source"] for attempt in attempts} == {"one", "two"}
        assert health.json()["status"] == "degraded"

    async def test_nothing_that_is_asked_for_is_offered(self, start, tmp_path, monkeypatch):
        (tmp_path / "mute").mkdir()
        install(
            tmp_path / "mute",
            monkeypatch,
            dist="mute-dist",
            module="mute_module",
            source=MUTE,
            entry="mute",
        )
        async with start({"mute": {"plugin": "mute"}}) as api:
            response = await api.v1("latest", symbols="000001.SZ")
        assert response.status_code == 501
        assert "small" in error_of(response)["details"]["offered_by"]

    async def test_without_any_source_that_opened_the_whole_is_down(self, start):
        async with start({"small": {"closed": True, "required": False}}) as api:
            health = await api.get("/health")
        assert health.status_code == 503
        assert health.json()["status"] == "down"
        assert health.json()["services"] == {"small": "down"}

    async def test_unexpected_failures_tell_the_log_and_not_the_client(
        self, api, monkeypatch, caplog
    ):
        fail(monkeypatch, api, RuntimeError("secret-token"))
        with caplog.at_level(logging.ERROR, "argus.api"):
            response = await api.v1("latest", symbols="000001.SZ", headers={"X-Request-ID": "r1"})
        assert response.status_code == 500
        told = error_of(response)
        assert told["code"] == "INTERNAL_ERROR"
        assert told["details"] == {"request_id": "r1"}
        assert "secret" not in response.text
        assert response.headers["x-request-id"] == "r1"
        assert "request r1 failed" in caplog.text
        assert "secret-token" in caplog.text

    async def test_the_router_speaks_the_same_language(self, api):
        missing = await api.get("/nowhere")
        assert (missing.status_code, error_of(missing)["code"]) == (404, "NOT_FOUND")
        wrong = await api.client.post("/latest_market")
        assert (wrong.status_code, error_of(wrong)["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert wrong.headers["allow"] == "GET"

    async def test_fastapi_s_own_validation_is_400(self, api):
        @api.app.get("/later")
        async def later(number: int) -> int:
            return number

        absent = await api.get("/later")
        assert (absent.status_code, error_of(absent)["code"]) == (400, "MISSING_PARAMETER")
        wrong = await api.get("/later", number="x")
        assert (wrong.status_code, error_of(wrong)["code"]) == (400, "INVALID_PARAMETER")
        assert "number" in error_of(wrong)["message"]

    async def test_long_urls_and_large_headers_are_refused(self, api):
        long = await api.v1("latest", symbols="000001.SZ," * 4000)
        assert (long.status_code, error_of(long)["code"]) == (413, "PAYLOAD_TOO_LARGE")
        large = await api.get("/health", headers={"X-Large": "x" * 17000})
        assert (large.status_code, error_of(large)["code"]) == (413, "PAYLOAD_TOO_LARGE")


class TestFailedBatch:
    @pytest.mark.parametrize(
        ("codes", "expected"),
        [
            (["NOT_FOUND"], 404),
            (["INVALID_PARAMETER", "NOT_FOUND"], 404),
            (["NOT_FOUND", "SERVICE_UNAVAILABLE"], 503),
            (["TIMEOUT", "SERVICE_UNAVAILABLE", "NOT_SUPPORTED"], 504),
            (["NOT_FOUND", "NO_DATA"], None),
            ([], None),
        ],
    )
    def test_the_gravest_reason_speaks(self, codes, expected):
        lost = {str(n): Failure(code=code, message=code) for n, code in enumerate(codes)}
        error = failed_batch(lost)
        assert (error.status if error else None) == expected
