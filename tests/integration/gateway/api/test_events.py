import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.api import deliveries, events
from gateway.ids import DeliveryKey
from gateway.model.delivery import Reason, Record, State
from tests.support.reading_gateway import ReadingGateway, opened

DELIVERED = Record(State.DELIVERED, attempts=1, status=200)
DEAD = Record(State.DEAD, Reason.EXHAUSTED, 3)


@pytest.fixture
async def gateway(valkey_url: str, tmp_path: Path) -> AsyncIterator[ReadingGateway]:
    async with opened(valkey_url, tmp_path, (*events.ROUTES, *deliveries.ROUTES)) as gateway:
        yield gateway


async def test_a_list_shows_headers_and_what_became_of_them(gateway: ReadingGateway) -> None:
    filled = gateway.filled
    unread = await filled.publish(0, id="a", subject="s", time="2026-01-02T03:04:05+01:00", subscriber="acme")
    await filled.settle(await filled.publish(1, id="b"), {})
    await filled.settle(await filled.publish(2, id="c", partitionkey="k", data=b"[1, 2]"), {1: DELIVERED, 2: DEAD})
    page = await gateway.get("/v1/events")
    assert page["next"] is None
    shown = {event["id"]: event for event in page["data"]}
    assert {name: (event["state"], event["matched"]) for name, event in shown.items()} == {
        "a": ("unread", None),
        "b": ("unmatched", 0),
        "c": ("fanned", 2),
    }
    assert (shown["c"]["data_bytes"], shown["c"]["partitionkey"], shown["c"]["subject"]) == (6, "k", None)
    assert (shown["a"]["time"], shown["a"]["subscriber"]) == ("2026-01-02T03:04:05+01:00", "acme")
    assert "data" not in shown["a"]
    assert shown["a"]["accepted_at"].endswith(f".{unread.ms % 1_000:03d}Z")


async def test_payloads_come_when_asked_for_byte_for_byte_and_not_too_many(
    gateway: ReadingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = b'{ "n": 1.0000000000000000000001,\n"b":-0 }'
    for number in range(6):
        await gateway.filled.publish(0, data=payload, id=f"e{number}")
    answer = await gateway.request("GET", "/v1/events", params={"include": "data", "limit": 1})
    assert payload in answer.content
    monkeypatch.setattr(events, "MAX_DATA_BYTES", 2 * len(payload))
    page = await gateway.get("/v1/events", include="data")
    assert [event["id"] for event in page["data"]] == ["e5", "e4"]
    everything = await gateway.pages("/v1/events", include="data")
    assert [event["id"] for event in everything] == [f"e{number}" for number in range(5, -1, -1)]
    with_headers_only = await gateway.get("/v1/events", cursor=page["next"])
    assert [event["id"] for event in with_headers_only["data"]] == ["e3", "e2", "e1", "e0"]


async def test_filters_narrow_the_list(gateway: ReadingGateway) -> None:
    filled = gateway.filled
    await filled.publish(3, id="a", type="order.placed", subject="s1")
    await filled.publish(3, id="b", type="order.paid", source="/x", subscriber="acme")
    await filled.settle(await filled.publish(3, id="c", type="user.created"), {})
    for query, expected in (
        ({"type": "order.*"}, ["b", "a"]),
        ({"type": "order.paid"}, ["b"]),
        ({"subject": "s1"}, ["a"]),
        ({"source": "/x"}, ["b"]),
        ({"subscriber": "acme"}, ["b"]),
        ({"matched": "none"}, ["c"]),
        ({"type": "user.*", "matched": "none"}, ["c"]),
        ({"since": "2100-01-01T00:00:00Z"}, []),
        ({"until": "2100-01-01T00:00:00Z", "limit": "1"}, ["c"]),
        ({"until": "2000-01-01T00:00:00Z"}, []),
    ):
        page = await gateway.get("/v1/events", **query)
        assert [event["id"] for event in page["data"]] == expected, query


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "invalid_parameter"),
        ({"limit": "-1"}, "invalid_parameter"),
        ({"limit": "1000000000"}, "invalid_parameter"),
        ({"type": "*.x"}, "invalid_parameter"),
        ({"matched": "some"}, "invalid_parameter"),
        ({"include": "everything"}, "invalid_parameter"),
        ({"since": "today"}, "invalid_parameter"),
        ({"typ": "order.placed"}, "invalid_parameter"),
        ({"cursor": "AAAA"}, "invalid_cursor"),
    ],
)
async def test_a_bad_query_is_refused(gateway: ReadingGateway, query: dict[str, str], code: str) -> None:
    answer = await gateway.request("GET", "/v1/events", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_cursor_of_another_filter_or_order_is_refused(gateway: ReadingGateway) -> None:
    for _ in range(2):
        await gateway.filled.publish()
    cursor = (await gateway.get("/v1/events", limit=1, type="order.*"))["next"]
    assert (await gateway.get("/v1/events", limit=1, type="order.*", cursor=cursor))["next"] is None
    for query in ({}, {"type": "user.*"}, {"type": "order.*", "order": "asc"}):
        assert (await gateway.get("/v1/events", cursor=cursor, **query))["code"] == "invalid_cursor"
    assert (await gateway.get("/v1/deliveries", cursor=cursor, type="order.*"))["code"] == "invalid_cursor"


async def test_an_event_with_its_payload_and_deliveries(gateway: ReadingGateway) -> None:
    numbers = [await gateway.endpoint(f"e{number:02d}") for number in range(25)]
    payload = b'{"n" : 1.0000000000000000000001}'
    address = await gateway.filled.publish(2, id="order:1", data=payload, subject="s")
    records = {number: (DELIVERED, DEAD)[at % 5 == 0] for at, number in enumerate(numbers)}
    await gateway.filled.settle(address, records)
    answer = await gateway.request("GET", "/v1/events/order:1")
    assert b'"data":' + payload in answer.content
    shown = answer.json()
    assert (shown["id"], shown["state"], shown["matched"]) == ("order:1", "fanned", 25)
    counts = shown["deliveries"]["counts"]
    assert counts == {"pending": 0, "scheduled": 0, "held": 0, "delivered": 20, "dead": 5, "skipped": 0}
    assert shown["deliveries"]["total"] == 25
    assert [one["endpoint"] for one in shown["deliveries"]["data"]] == [f"e{number:02d}" for number in range(20)]
    assert shown["deliveries"]["link"] == "/v1/deliveries?event=order%3A1"
    page = await gateway.get(shown["deliveries"]["link"])
    assert len(page["data"]) == 25


async def test_an_event_is_found_by_whatever_id_it_has(gateway: ReadingGateway) -> None:
    own = await gateway.filled.publish(3)
    given = await gateway.filled.publish(2, id="order-1", subject="elsewhere")
    assert (await gateway.get(f"/v1/events/{own.event_id}"))["id"] == own.event_id
    assert (await gateway.get(f"/v1/events/{given.event_id}"))["id"] == "order-1"
    for partition in range(4):
        await gateway.filled.publish(partition, id=f"order-2{partition}")
        assert (await gateway.get(f"/v1/events/order-2{partition}"))["id"] == f"order-2{partition}"
    for missing in ("order-2", "evt_ffffffffffff00000000ffff", "evt_00000000000000000000" + "0000", "evt_x"):
        answer = await gateway.request("GET", f"/v1/events/{missing}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_an_unread_event_shows_the_deliveries_that_have_a_record(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("payments")
    await gateway.endpoint("others", patterns=["user.*"])
    address = await gateway.filled.publish(1, id="order-1")
    before = await gateway.get("/v1/events/order-1")
    assert (before["state"], before["matched"], before["deliveries"]["total"]) == ("unread", None, 0)
    await gateway.filled.change(DeliveryKey(*address, number), None, Record(State.PENDING))
    after = await gateway.get("/v1/events/order-1")
    assert (after["state"], after["deliveries"]["counts"]["pending"]) == ("unread", 1)


async def test_what_is_gone_or_no_event_is_not_found(gateway: ReadingGateway) -> None:
    gone = await gateway.filled.publish(1)
    await gateway.filled.redis.xdel(gateway.filled.partitions[1].log, gone.stream_id)
    assert (await gateway.request("GET", f"/v1/events/{gone.event_id}")).status_code == 404
    poison: Any = await gateway.filled.redis.xadd(gateway.filled.partitions[1].log, {"x": "garbage"})
    ms, seq = (int(part) for part in poison.decode().split("-"))
    assert (await gateway.request("GET", f"/v1/events/evt_{ms:012x}{seq:08x}0001")).status_code == 404


async def test_a_bound_key_sees_only_what_is_addressed_to_its_subscriber(gateway: ReadingGateway) -> None:
    acme = await gateway.endpoint("acme-1", "acme", "external")
    shop = await gateway.endpoint("payments")
    own = await gateway.filled.publish(0, id="own", subscriber="acme")
    await gateway.filled.settle(own, {acme: DELIVERED, shop: DEAD})
    await gateway.filled.publish(1, id="other", subscriber="rival")
    await gateway.filled.publish(2, id="internal")
    key = await gateway.make_key(subscriber="acme")
    assert [event["id"] for event in (await gateway.get("/v1/events", key))["data"]] == ["own"]
    assert (await gateway.get("/v1/events", key, subscriber="rival"))["data"] == []
    shown = await gateway.get("/v1/events/own", key)
    assert [one["endpoint"] for one in shown["deliveries"]["data"]] == ["acme-1"]
    assert shown["deliveries"]["total"] == 1
    missing = await gateway.request("GET", "/v1/events/missing", key)
    for name in ("other", "internal"):
        answer = await gateway.request("GET", f"/v1/events/{name}", key)
        assert answer.status_code == missing.status_code == 404
        assert answer.json()["detail"] == missing.json()["detail"].replace("missing", name)
    cursor = (await gateway.get("/v1/events", limit=1))["next"]
    assert (await gateway.get("/v1/events", key, limit=1, cursor=cursor))["code"] == "invalid_cursor"


async def test_a_key_needs_the_scope_read(gateway: ReadingGateway) -> None:
    key = await gateway.make_key(["publish"])
    assert (await gateway.get("/v1/events", key))["code"] == "forbidden"


async def test_a_client_that_tails_misses_nothing(gateway: ReadingGateway) -> None:
    published: list[str] = []
    done = asyncio.Event()

    async def publish(partition: int) -> None:
        for _ in range(100):
            address = await gateway.filled.publish(partition)
            published.append(address.event_id)

    async def tail() -> list[str]:
        seen: list[str] = []
        query = {"order": "asc", "limit": "20"}
        while True:
            finished = done.is_set()
            page = await gateway.get("/v1/events", **query)
            seen += [event["id"] for event in page["data"]]
            if page["next"] is not None:
                query["cursor"] = page["next"]
            elif finished:
                return seen

    reader = asyncio.create_task(tail())
    await asyncio.gather(*(publish(partition) for partition in range(4)))
    await gateway.past_the_frontier(recorded=False)
    done.set()
    assert await reader == sorted(published)
