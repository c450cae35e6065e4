"""POST /v1/events/batch as a publisher meets it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.gateway.api import publish_rig
from tests.integration.gateway.api.publish_rig import Rig

PATH = "/v1/events/batch"


@pytest.fixture
async def rig(valkey_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with publish_rig.opened(valkey_url, tmp_path) as made:
        yield made


async def send(rig: Rig, body: Any, **more: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await rig.client.post(PATH, content=content, headers=await rig.key("publish") | more)


def item(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "order.placed", "data": {"number": number}, "id": f"o-{number}"} | more


async def test_each_item_has_its_own_outcome(rig: Rig) -> None:
    items = [item(0), item(1, type="a b"), 42, item(0), item(0, data=1), item(2, subject="s")]
    answer = await send(rig, items)
    body = answer.json()
    assert (answer.status_code, body["accepted"], body["refused"]) == (200, 3, 3)
    assert [result["status"] for result in body["results"]] == [202, 422, 400, 202, 409, 202]
    assert [result["index"] for result in body["results"]] == list(range(6))
    assert sorted(r["duplicate"] for r in body["results"] if r["status"] == 202) == [False, False, True]
    assert body["results"][1]["problem"]["errors"][0]["field"] == "type"
    assert await rig.stored() == 2


async def test_items_without_ids_take_theirs_from_the_header(rig: Rig) -> None:
    items = [{"type": "a", "data": n} for n in range(3)]
    first = (await send(rig, items, **{"idempotency-key": "batch-7"})).json()
    assert [result["id"] for result in first["results"]] == ["batch-7-0", "batch-7-1", "batch-7-2"]
    again = (await send(rig, items, **{"idempotency-key": "batch-7"})).json()
    assert [result["duplicate"] for result in again["results"]] == [True, True, True]
    assert await rig.stored() == 3


async def test_items_without_any_id_are_refused(rig: Rig) -> None:
    body = (await send(rig, [{"type": "a", "data": 1}])).json()
    assert (body["accepted"], body["results"][0]["problem"]["code"]) == (0, "invalid_parameter")
    assert await rig.stored() == 0


async def test_a_thousand_items_are_accepted_and_one_more_is_not(rig: Rig) -> None:
    body = (await send(rig, [item(n) for n in range(1_000)])).json()
    assert (body["accepted"], body["refused"]) == (1_000, 0)
    assert (await send(rig, [item(n) for n in range(1_001)])).status_code == 400
    assert (await send(rig, [])).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"[1,]", b"null", b'[{"type":"a","data":1}'])
async def test_what_cannot_be_read_is_refused_whole(rig: Rig, body: bytes) -> None:
    answer = await send(rig, body)
    assert answer.status_code == 400
    assert await rig.stored() == 0


async def test_a_batch_has_a_limit_and_each_event_its_own(rig: Rig) -> None:
    large = item(0, data="x" * 262_144)
    body = (await send(rig, [large, item(1)])).json()
    assert [result["status"] for result in body["results"]] == [413, 202]
    assert (await send(rig, b'["' + b"x" * 8_388_608 + b'"]')).status_code == 413
    assert await rig.stored() == 1
