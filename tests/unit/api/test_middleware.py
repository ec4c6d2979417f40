"""What happens around a request, where no client is needed to see it."""

import logging

from starlette.requests import Request
from support.clock import TestClock

from argus_api.middleware import Surroundings

SCOPE = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": []}


async def test_a_caller_who_leaves_before_his_body_came_is_no_failure_of_ours(caplog):
    async def reads(scope, receive, _send):
        await Request(scope, receive).body()

    async def gone():
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError(f"nobody hears {message}")

    with caplog.at_level(logging.INFO, logger="argus.api"):
        await Surroundings(reads, TestClock())(SCOPE, gone, send)
    assert not caplog.records
