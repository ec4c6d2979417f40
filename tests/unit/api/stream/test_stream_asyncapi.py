"""The AsyncAPI document: well-formed, complete, and true of what the server really says."""

import re
from datetime import timedelta

import httpx
import jsonschema_rs
import pytest
from support.listening import CHANNELS, PACKED, V2, A, B
from support.process import PLAINLY

from argus_api.schemas import QuoteRow
from argus_api.stream.asks import ACTIONS
from argus_api.stream.asks import CHANNELS as HEARD
from argus_api.stream.codes import CLOSES
from argus_api.stream.described import items
from argus_api.stream.items import BAR_FIELDS, TRADE_FIELDS, fields_of
from argus_api.stream.server import PATH
from argus_api.wire import DEPTH_GROUPS, QUOTE_FIELDS
from argus_core import Trade

REFERENCE = {
    "type": "object",
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "required": ["$ref"],
    "additionalProperties": False,
}
REFERENCES = {"type": "array", "items": REFERENCE, "uniqueItems": True}
TEXT = {"type": "string", "minLength": 1}


def mapping(of, pattern="^[A-Za-z0-9_.-]+$"):
    """A map with names of letters."""
    return {"type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": of}


def closed(properties, *required):
    """An object with these keys and extensions, no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    }


# What AsyncAPI 3.0 says of the parts of it that are used here, from its specification.
META = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **closed(
        {
            "asyncapi": {"const": "3.0.0"},
            "info": closed(
                {"title": TEXT, "version": TEXT, "description": TEXT}, "title", "version"
            ),
            "defaultContentType": {"type": "string", "pattern": "^[a-z]+/[a-z.+-]+$"},
            "servers": mapping(
                closed(
                    {
                        "host": TEXT,
                        "protocol": {"enum": ["ws", "wss", "http", "https"]},
                        "pathname": {"type": "string", "pattern": "^/"},
                        "security": REFERENCES,
                    },
                    "host",
                    "protocol",
                )
            ),
            "channels": mapping(
                closed(
                    {
                        "address": {"type": ["string", "null"]},
                        "title": TEXT,
                        "description": TEXT,
                        "servers": REFERENCES,
                        "messages": mapping(REFERENCE),
                        "bindings": closed(
                            {
                                "ws": closed(
                                    {
                                        "method": {"enum": ["GET", "POST"]},
                                        "headers": {
                                            "properties": {"type": {"const": "object"}},
                                            "required": ["type", "properties"],
                                        },
                                        "bindingVersion": {"const": "0.1.0"},
                                    }
                                )
                            }
                        ),
                    }
                )
            ),
            "operations": mapping(
                closed(
                    {
                        "action": {"enum": ["send", "receive"]},
                        "channel": REFERENCE,
                        "summary": TEXT,
                        "messages": REFERENCES,
                        "reply": closed({"channel": REFERENCE, "messages": REFERENCES}),
                    },
                    "action",
                    "channel",
                )
            ),
            "components": closed(
                {
                    "schemas": mapping({"$ref": "http://json-schema.org/draft-07/schema#"}),
                    "messages": mapping(
                        closed(
                            {
                                "name": TEXT,
                                "title": TEXT,
                                "summary": TEXT,
                                "contentType": TEXT,
                                "payload": REFERENCE,
                            }
                        )
                    ),
                    "securitySchemes": mapping(
                        {
                            "oneOf": [
                                closed(
                                    {
                                        "type": {"const": "httpApiKey"},
                                        "name": TEXT,
                                        "in": {"enum": ["query", "header", "cookie"]},
                                        "description": TEXT,
                                    },
                                    "type",
                                    "name",
                                    "in",
                                ),
                                closed(
                                    {
                                        "type": {"const": "http"},
                                        "scheme": {"const": "bearer"},
                                        "description": TEXT,
                                    },
                                    "type",
                                    "scheme",
                                ),
                            ]
                        }
                    ),
                }
            ),
        },
        "asyncapi",
        "info",
    ),
}


@pytest.fixture
def document(house):
    return house.described.document


def references(part):
    """Every reference in a part of the document."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def at(document, reference):
    """What a reference leads to; KeyError if to nothing."""
    found = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def test_it_is_as_the_specification_has_it(document):
    checker = jsonschema_rs.Draft7Validator(META)
    assert [f"{e.instance_path}: {e.message}" for e in checker.iter_errors(document)] == []


def test_a_wrong_document_would_be_noticed(document):
    checker = jsonschema_rs.Draft7Validator(META)
    for broken in (
        {**document, "asyncapi": "2.6.0"},
        {**document, "channels": {"a b": {}}},
        {**document, "operations": {"x": {"action": "publish", "channel": {"$ref": "#/x"}}}},
        {**document, "unknown": 1},
    ):
        assert not checker.is_valid(broken)


def test_every_reference_leads_somewhere(document):
    found = list(references(document))
    assert len(found) > 100
    for reference in found:
        at(document, reference)


def test_operations_speak_of_messages_of_their_channel(document):
    for name, operation in document["operations"].items():
        for part in (operation, operation.get("reply", {"messages": []})):
            for one in part["messages"]:
                channel = operation["channel"]["$ref"]
                assert one["$ref"].startswith(f"{channel}/messages/"), name


def test_every_schema_is_a_schema_and_every_message_is_used(document):
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.Draft7Validator({"components": document["components"], "allOf": [schema]})
    used = set(references(document["channels"])) | set(references(document["components"]))
    for name in document["components"]["messages"]:
        assert f"#/components/messages/{name}" in used


def test_it_knows_every_field_channel_action_limit_and_code(house, document):
    told = items()
    assert set(QUOTE_FIELDS) == set(QuoteRow.model_fields)
    assert set(QUOTE_FIELDS) <= told["quoteItem"]["properties"].keys()
    assert set(DEPTH_GROUPS) <= told["depthItem"]["properties"].keys()
    assert set(TRADE_FIELDS) <= told["tradeItem"]["properties"].keys()
    assert set(BAR_FIELDS) <= told["barItem"]["properties"].keys()
    subscribe = document["components"]["schemas"]["subscribe"]["properties"]
    assert subscribe["channel"]["enum"] == list(HEARD)
    assert all(fields_of(channel) for channel in HEARD)
    for channel in CHANNELS.values():
        assert document["channels"][channel]["address"] == PATH
        assert document["channels"][channel]["messages"].keys() >= set(ACTIONS)
    assert set(document["x-close-codes"]) == {str(code) for code in CLOSES}
    table = house.gateway.config.stream
    assert document["x-limits"]["symbols"] == table.max_symbols
    assert document["x-limits"]["seconds_to_take_what_is_sent"] == table.write_deadline


async def test_the_limits_are_those_of_this_server(serve):
    async with serve(stream={"max_symbols": 7}) as house:
        assert house.described.document["x-limits"]["symbols"] == 7


async def test_it_is_served_to_everybody_and_linked_from_the_documentation(serve):
    async with serve(auth={"plugins": ["api_key"]}) as house:
        async with httpx.AsyncClient(**PLAINLY) as client:
            answer = await client.get(f"{house.url}/asyncapi.json")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            assert answer.json() == house.described.document
            servers = answer.json()["servers"]
            assert servers["websocket"]["host"] == house.address
            assert servers["websocket"]["protocol"] == "ws"
            about = (await client.get(f"{house.url}/openapi.json")).json()["info"]["description"]
        assert "(asyncapi.json)" in about
        assert "/asyncapi.json" not in (await openapi(house))["paths"]


async def openapi(house):
    """The other document."""
    async with httpx.AsyncClient(**PLAINLY) as client:
        return (await client.get(f"{house.url}/openapi.json")).json()


async def test_behind_a_prefix_and_tls_it_says_so(house):
    transport = httpx.ASGITransport(app=house.app, root_path="/argus")
    async with httpx.AsyncClient(transport=transport, base_url="https://md.example") as client:
        told = (await client.get("/argus/asyncapi.json")).json()["servers"]["websocket"]
    assert (told["host"], told["pathname"], told["protocol"]) == ("md.example", "/argus", "wss")


@pytest.mark.parametrize("protocol", [None, V2, PACKED])
async def test_a_whole_talk_is_described(house, protocol):
    """Every message of every kind is held against the document as it comes; see the client."""
    async with house.client(protocol) as client:
        await client.say("auth", key="whatever", id=1)
        for channel in HEARD:
            await client.say("subscribe", symbols=[A, B, "no symbol"], channel=channel, id="s")
        await client.say("subscribe", symbols=[A], interval_ms=20, fields=["price"])
        await house.market.brings(A, B)
        at = house.clock.now() - timedelta(seconds=30)
        for _ in range(3):
            trade = Trade(price=10.1, volume=100.0, direction="sell", time=at)
            for symbol in (A, B):
                house.market.push(symbol, trades=(trade,))
                house.market.push(symbol, price=None, volume=None, turnover=None)
        house.market.gap(A)
        await client.send(b"\xc1")
        await client.say("get_stats")
        await client.say("list")
        await client.say("unsubscribe", symbols=[B])
        await client.say("unsubscribe")
        since = {"epoch": house.gateway.streaming.hub.epoch, "seq": {A: 1}}
        await client.say("subscribe", symbols=[A], since=since)
        await client.quiet()
        for connection in house.audience.connections:
            connection.heartbeat()
        house.server.drain()
        assert (await client.closed())[0] == 1012
    name = CHANNELS[protocol]
    seen = house.described.seen[name]
    described = set(house.described.document["channels"][name]["messages"])
    rare = {"status"}  # needs a source to fail: another test sees one
    assert described - seen <= rare


def test_texts_of_the_document_are_whole(document):
    about = document["info"]["description"]
    assert re.search(r"`seq`.*`conflated`", about, re.DOTALL)
    for message in document["components"]["messages"].values():
        assert message["summary"].endswith(".")
