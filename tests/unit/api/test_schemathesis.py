"""The schema against the application: whatever it lets people send gets what it describes."""

from http import HTTPStatus

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argus_api import create_app
from argus_core.config import Config
from argus_core.gateway import Gateway

SENSIBLE = {
    "symbols": "000001.SZ,600519.SH",
    "symbol": "000001.SZ",
    "start_date": "2024-01-10",
    "end_date": "20240112",
    "sector": "银行",
    "fields": "all",
    "adjust_base": "2024-01-11",
}
"""Values that chance would hardly find; what they are mixed with is still drawn."""
ENDLESS = "/api/v1/market_data/stream"
"""It answers for as long as it is listened to, and a client over ASGI waits for the end of it:
what it says of bad questions is tested over a socket, in stream/test_stream_events.py."""


def operations():
    """Every described operation, as schemathesis reads it."""
    app = create_app(Gateway(Config.parse({}, {})))
    schema = schemathesis.openapi.from_dict(app.openapi())
    every = [result.ok() for result in schema.get_all_operations()]
    assert ENDLESS in {operation.path for operation in every}
    return [operation for operation in every if operation.path != ENDLESS]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
@given(data=st.data())
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_every_route_keeps_to_its_description(api, operation, data):
    case = data.draw(operation.as_strategy())
    if data.draw(st.booleans()):
        case.query.update({name: SENSIBLE[name] for name in case.query if name in SENSIBLE})
        case.headers.pop("X-Argus-Deadline", None)
    sent = case.as_transport_kwargs(base_url="http://argus")
    known = {"method", "url", "params", "headers", "json", "data"}
    response = await api.client.request(**{k: v for k, v in sent.items() if k in known})
    expected = operation.definition.raw["responses"]
    assert str(response.status_code) in expected, response.text
    assert response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR
    if response.content:
        media = response.headers["content-type"].partition(";")[0]
        assert media in expected[str(response.status_code)]["content"]
        if media == "application/json":
            operation.validate_response(schemathesis.Response.from_any(response))
