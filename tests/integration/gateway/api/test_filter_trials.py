"""A filter is tried on what was published: counts, examples, bounds; nothing is stored and nobody waits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway import rfc3339, tasks
from gateway.api import filter_trials
from tests.support.reading_gateway import ReadingGateway, opened

PATH = "/v1/endpoints/pay/filter/test"


@pytest.fixture
async def gateway(valkey_url: str, tmp_path: Path) -> AsyncIterator[ReadingGateway]:
    async with opened(valkey_url, tmp_path, filter_trials.ROUTES) as gateway:
        yield gateway


async def tried(gateway: ReadingGateway, text: str, **more: Any) -> Any:
    answer = await gateway.post(PATH, {"filter": text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def publish(gateway: ReadingGateway, count: int, **fields: Any) -> list[str]:
    """Events with n = 0, 1, ... in one partition, so that their order is certain; their ids."""
    made = []
    for number in range(count):
        address = await gateway.filled.publish(1, data=b'{"n":%d}' % number, **fields)
        made.append(address.event_id)
    return made


async def test_it_counts_and_shows_the_newest_of_each_kind(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay")
    names = await publish(gateway, 20, subject="eu")
    await gateway.filled.publish(0, data=b'{"m":1}')
    found = await tried(gateway, "data.n >= 12")
    assert (found["tried"], found["matched"], found["not_matched"], found["errors"]) == (21, 8, 12, 1)
    assert found["complete"] is True
    examples = found["examples"]
    assert {one["id"] for one in examples["matched"]} == set(names[15:])
    assert {one["id"] for one in examples["not_matched"]} == set(names[7:12])
    assert [one["error"] for one in examples["errors"]] == ["no such member: n; has() tells whether there is one"]
    assert examples["matched"][0] | {"id": "", "accepted_at": ""} == {
        "id": "", "type": "order.placed", "subject": "eu", "accepted_at": "", "error": None,
    }  # fmt: skip
    assert "data" not in str(examples["matched"])


async def test_only_what_addressing_and_patterns_let_through_is_tried(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay", "acme", "external", ["order.*", "user.created"])
    await gateway.filled.publish(0)
    await gateway.filled.publish(1, subscriber="rival")
    await gateway.filled.publish(2, subscriber="acme", type="user.deleted")
    await gateway.filled.publish(3, subscriber="acme", type="hookline.test", endpoint="pay")
    wanted = [
        await gateway.filled.publish(n, subscriber="acme", type=t) for n, t in ((0, "order.a"), (1, "user.created"))
    ]
    found = await tried(gateway, "true")
    assert (found["tried"], found["complete"]) == (2, True)
    assert {one["id"] for one in found["examples"]["matched"]} == {address.event_id for address in wanted}


async def test_the_endpoints_own_filter_and_state_do_not_matter(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay")
    await gateway.change("pay", filter="false", status="disabled")
    await publish(gateway, 3)
    assert (await tried(gateway, "true"))["matched"] == 3


async def test_it_ends_at_its_limit_and_says_so(gateway: ReadingGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    await gateway.endpoint("pay")
    names = await publish(gateway, 12)
    found = await tried(gateway, "true", limit=4)
    assert (found["tried"], found["complete"]) == (4, False)
    assert {one["id"] for one in found["examples"]["matched"]} == set(names[8:])
    assert (await tried(gateway, "true", limit=12))["complete"] is True
    monkeypatch.setattr(filter_trials, "MAXIMUM_DATA_BYTES", 20)
    found = await tried(gateway, "true")
    assert (0 < found["tried"] < 12, found["complete"]) == (True, False)
    monkeypatch.setattr(filter_trials, "MAXIMUM_SECONDS", 0.0)
    found = await tried(gateway, "true")
    assert (found["tried"], found["complete"], found["oldest_accepted_at"]) == (0, False, None)


async def test_it_reads_large_events_a_few_at_a_time(gateway: ReadingGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_trials, "_BYTES_AT_ONCE", 10)
    await gateway.endpoint("pay")
    await publish(gateway, 7)
    assert (await tried(gateway, "data.n >= 0"))["matched"] == 7


async def test_it_begins_at_a_time(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay")
    await publish(gateway, 3)
    newest = await gateway.filled.publish(3)
    found = await tried(gateway, "true", since=rfc3339.format_ms(newest.ms))
    assert newest.event_id in {one["id"] for one in found["examples"]["matched"]}
    assert found["oldest_accepted_at"] >= rfc3339.format_ms(newest.ms)
    assert (await tried(gateway, "true", since=rfc3339.format_ms(newest.ms + 1)))["tried"] == 0


async def test_what_is_poison_is_left_out(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay")
    await gateway.filled.redis.xadd(gateway.filled.partitions[1].log, {"x": "garbage"})
    await publish(gateway, 2)
    assert (await tried(gateway, "true"))["tried"] == 2


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, {"filter"}),
        ({"filter": ""}, {"filter"}),
        ({"filter": "data."}, {"filter"}),
        ({"filter": "data.n.all(a, data.n.map(b, b).map(c, c + c).all(d, true))"}, {"filter"}),
        ({"filter": 1, "limit": 0, "since": "yesterday", "more": 1}, {"filter", "limit", "since", "more"}),
        ({"filter": "true", "limit": 1_001}, {"limit"}),
    ],
)
async def test_what_is_wrong_is_named(gateway: ReadingGateway, body: Any, named: set[str]) -> None:
    await gateway.endpoint("pay")
    answer = await gateway.post(PATH, body)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == named


async def test_a_fault_is_told_with_its_place(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay")
    (error,) = (await gateway.post(PATH, {"filter": "data.n >"})).json()["errors"]
    assert error["reason"] == "the expression ends too early at character 9"


async def test_only_who_may_change_an_endpoint_that_it_sees_may_try(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay", "acme", "external")
    answers = [
        await gateway.post(PATH, {"filter": "true"}, await gateway.make_key(["read"])),
        await gateway.post(PATH, {"filter": "true"}, await gateway.make_key(["manage"], "rival")),
        await gateway.post(PATH, {"filter": "true"}, await gateway.make_key(["manage"], "acme")),
        await gateway.post("/v1/endpoints/nobody/filter/test", {"filter": "true"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 404, 200, 404]


async def test_others_are_served_meanwhile(gateway: ReadingGateway) -> None:
    await gateway.endpoint("pay")
    await publish(gateway, 40)
    trying = asyncio.create_task(tried(gateway, "data.n > 5"))
    turns = 0
    while not trying.done():
        turns += 1
        await tasks.let_others()
    assert (await trying)["tried"] == 40
    assert turns > 40
