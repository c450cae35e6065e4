"""POST /v1/events as a publisher meets it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import ids
from gateway.model.api_key import Scope
from gateway.store import log
from tests.integration.gateway.api import publish_rig
from tests.integration.gateway.api.publish_rig import Rig

PATH = "/v1/events"
EVENT: dict[str, Any] = {"type": "order.placed", "data": {"total": 12.5}}


@pytest.fixture
async def rig(valkey_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with publish_rig.opened(valkey_url, tmp_path) as made:
        yield made


async def publish(rig: Rig, body: Any, headers: dict[str, str] | None = None, **more: str) -> httpx.Response:
    given = dict(headers or await rig.key("publish"))
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await rig.client.post(PATH, content=content, headers=given | more)


async def test_an_event_is_stored_before_it_is_acknowledged(rig: Rig) -> None:
    answer = await publish(rig, b'{"type":"order.placed","data": {"b":1.0000000000000000000001,"a":-0} }')
    assert answer.status_code == 202
    body = answer.json()
    assert body["duplicate"] is False
    assert body["accepted_at"].endswith("Z")
    address = await log.find(rig.redis, rig.partitions, body["id"])
    assert address is not None
    event = await log.read(rig.redis, rig.partitions[address.partition], address)
    assert event is not None
    assert event.data == b'{"b":1.0000000000000000000001,"a":-0}'
    assert (event.source, event.id) == ("/keys/shop", body["id"])


async def test_the_same_id_and_event_is_the_same_answer(rig: Rig) -> None:
    key = await rig.key("publish")
    first = await publish(rig, EVENT | {"id": "o-1", "subject": "order-1"}, key)
    again = await publish(rig, EVENT | {"subject": "order-1"}, key, **{"idempotency-key": "o-1"})
    assert again.json() == first.json() | {"duplicate": True}
    assert await rig.stored() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"data": {"total": 13}}, "data"),
        ({"subject": "order-2"}, "subject"),
        ({"source": "/elsewhere"}, "source"),
        ({"type": "order.paid"}, "type"),
        ({"subscriber": "acme"}, "subscriber"),
        ({"partitionkey": "k"}, "partitionkey"),
        ({"time": "2026-01-01T00:00:00Z"}, "time"),
    ],
)
async def test_the_same_id_with_anything_else_names_the_field(rig: Rig, change: dict[str, Any], field: str) -> None:
    key = await rig.key("publish")
    event = EVENT | {"id": "o-1", "subject": "order-1"}
    await publish(rig, event, key)
    answer = await publish(rig, event | change, key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await rig.stored() == 1


async def test_a_hundred_at_once_are_one_event(rig: Rig) -> None:
    key = await rig.key("publish")
    answers = await asyncio.gather(*(publish(rig, EVENT | {"id": "o-1", "subject": "s"}, key) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 99
    assert await rig.stored() == 1


async def test_an_unknown_subscriber_is_accepted(rig: Rig) -> None:
    assert (await publish(rig, EVENT | {"subscriber": "nobody"})).status_code == 202


async def test_a_key_of_a_subscriber_publishes_for_it_alone(rig: Rig) -> None:
    key = await rig.key("publish", subscriber="acme")
    assert (await publish(rig, EVENT | {"subscriber": "acme"}, key)).status_code == 202
    for event in (EVENT, EVENT | {"subscriber": "other"}):
        assert (await publish(rig, event, key)).status_code == 403
    assert await rig.stored() == 1


async def test_who_may_publish(rig: Rig) -> None:
    expected: dict[Scope, int] = {"publish": 202, "admin": 202, "read": 403, "manage": 403}
    for scope, status in expected.items():
        assert (await publish(rig, EVENT, await rig.key(scope))).status_code == status
    assert (await rig.client.post(PATH, json=EVENT)).status_code == 401
    wrong = await publish(rig, EVENT, {"authorization": "Bearer hk_wrong", "content-type": "application/json"})
    assert (wrong.status_code, wrong.headers["www-authenticate"][:6]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "malformed_json"),
        (b'{"type":"a","data":NaN}', {}, 400, "malformed_json"),
        (b'{"type":"hookline.x","data":1}', {}, 422, "invalid_request"),
        (b'{"type":"a","data":1,"extra":1}', {}, 422, "invalid_request"),
        (b'{"type":"a","data":1}', {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"type":"a","data":1}', {"content-encoding": "gzip"}, 415, "unsupported_media_type"),
        (b'{"type":"a","data":1}', {"idempotency-key": "a.b"}, 400, "invalid_parameter"),
        (b'{"type":"a","data":1,"id":"x"}', {"idempotency-key": "y"}, 400, "id_conflict"),
        (b'{"type":"a","data":"' + b"x" * 262_144 + b'"}', {}, 413, "payload_too_large"),
    ],
)
async def test_bad_input_is_refused_and_nothing_is_stored(
    rig: Rig, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await publish(rig, body, None, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert await rig.stored() == 0


async def test_the_query_is_refused(rig: Rig) -> None:
    key = await rig.key("publish")
    answer = await rig.client.post(f"{PATH}?key=x", json=EVENT, headers=key)
    assert answer.status_code == 400


async def test_ids_made_here_are_addresses_in_the_partition_of_the_ordering_key(rig: Rig) -> None:
    answer = await publish(rig, EVENT | {"partitionkey": "customer-1", "subject": "order-1"})
    address = ids.parse_event_id(answer.json()["id"])
    assert address is not None
    assert address.partition == ids.partition_of("customer-1", publish_rig.PARTITIONS)


async def test_a_large_event_arrives_whole(rig: Rig) -> None:
    data = json.dumps("x" * 262_000).encode()
    answer = await publish(rig, b'{"type":"a","data":' + data + b"}")
    address = await log.find(rig.redis, rig.partitions, answer.json()["id"])
    assert address is not None
    event = await log.read(rig.redis, rig.partitions[address.partition], address)
    assert event is not None
    assert hashlib.sha256(event.data).digest() == hashlib.sha256(data).digest()
