import json
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Disconnected

from dispatcher import operational
from gateway import ids, rfc3339
from gateway.model.endpoint import Endpoint
from gateway.store import leases, outbox
from tests.integration.dispatcher.rig import Hand, Rig

EVERYTHING = ("*", "hookline.*")


def told(rig: Rig, name: str = "owner", kind: str = "delivery.dead") -> list[dict[str, Any]]:
    """The operational events of one kind that came."""
    bodies = [json.loads(request.body) for request in rig.receiver.requests if request.name == name]
    return [body for body in bodies if body["type"] == f"hookline.{kind}"]


async def die(rig: Rig, hand: Hand, count: int, partition: int = 0) -> list[ids.Address]:
    """Deliveries to `bad` that reach the end of their schedule."""
    addresses = await rig.publish(count, partition)
    await hand.work()
    await hand.pass_time(3)
    await hand.work()
    return addresses


@pytest.fixture
async def endpoints(four: Rig) -> list[Endpoint]:
    """`owner` hears everything of its subscriber, `bad` fails."""
    four.receiver.answer("bad", 500)
    owner = four.made("owner", "all", event_types=EVERYTHING)
    bad = four.made("bad", "all", retry_schedule=(1,))
    return list(await four.registry.create_subscriber(four.subscriber("all"), [owner, bad]))


async def speak(hand: Hand) -> int:
    (published,) = await hand.turn("operational")
    await hand.work()
    return int(published)


async def test_dead_letters_are_told_once_a_minute_with_their_count(four: Rig, endpoints: list[Endpoint]) -> None:
    hand = await four.hand()
    for partition in range(3):
        addresses = await die(four, hand, 2, partition)
    assert await speak(hand) == 2, "and that the endpoint is failing"
    (event,) = told(four)
    data = event["data"]
    assert (event["type"], event["source"]) == ("hookline.delivery.dead", "/hookline")
    assert (data["endpoint"], data["count"], data["reason"]) == ("bad", 6, "exhausted")
    (newest,) = [key for a in addresses if (key := four.key(a, endpoints[1])).delivery_id == data["delivery"]]
    assert data["last_attempt"] == {"number": 2, "error": "http_status", "response_status": 500}
    assert data["event"] == newest.address.event_id
    assert event["id"] == f"op:{newest.delivery_id}:dead"
    await die(four, hand, 1)
    assert await speak(hand) == 0
    await hand.pass_time(operational.QUIET_SECONDS)
    assert await speak(hand) == 1
    assert [event["data"]["count"] for event in told(four)] == [6, 1]
    assert await outbox.pending(four.redis, four.partitions) == []
    assert await four.balanced()


async def test_two_dispatchers_tell_once(four: Rig, endpoints: list[Endpoint]) -> None:
    """Dead letters of one endpoint lie in the partitions of both."""
    first, second = await four.hand(), await four.hand()
    for _ in range(5):
        await first.turn("membership")
        await second.turn("membership")
    for partition in range(4):
        await four.publish(1, partition)
    for _ in range(2):
        for hand in (first, second):
            await hand.work()
            await hand.pass_time(3)
    assert len(await outbox.pending(four.redis, four.partitions)) == 4
    assert sum([await speak(hand) for hand in (first, second, first, second)]) == 2
    for partition in range(4):
        await four.publish(1, partition)
    for _ in range(2):
        for hand in (first, second):
            await hand.work()
            await hand.pass_time(3)
    assert [await speak(hand) for hand in (second, first, second)] == [0, 0, 0], "a minute is one of both"
    assert [event["data"]["count"] for event in told(four)] == [4]
    assert len(told(four, kind="endpoint.failing")) == 1


async def test_a_delivery_of_an_operational_event_causes_no_other(four: Rig, endpoints: list[Endpoint]) -> None:
    hand = await four.hand()
    await die(four, hand, 1)
    four.receiver.answer("owner", 410)
    await speak(hand)
    await hand.attempts.finish()
    await hand.settle()
    before = await lengths(four)
    await hand.pass_time(operational.QUIET_SECONDS)
    for _ in range(3):
        await hand.turn("operational")
    after = await lengths(four)
    assert after - before == 1, "only that the endpoint was disabled"
    assert await outbox.pending(four.redis, four.partitions) == []


async def lengths(rig: Rig) -> int:
    return sum([await rig.redis.xlen(partition.log) for partition in rig.partitions])


async def test_a_disabled_endpoint_is_told_to_its_subscriber(four: Rig, endpoints: list[Endpoint]) -> None:
    hand = await four.hand()
    four.receiver.answer("bad", 410)
    (address,) = await four.publish()
    await hand.work()
    await hand.attempts.finish()
    await hand.settle()
    assert await speak(hand) >= 1
    (event,) = told(four, kind="endpoint.disabled")
    data = event["data"]
    assert (data["endpoint"], data["reason"], data["count"]) == ("bad", "gone", 1)
    assert data["delivery"] == four.key(address, endpoints[1]).delivery_id
    assert data["event"] == address.event_id
    assert data["last_attempt"] == {"error": "http_status", "response_status": 410}
    assert told(four, kind="endpoint.failing") == []


async def test_an_endpoint_that_fails_for_too_long_is_disabled_and_told(four: Rig, endpoints: list[Endpoint]) -> None:
    hand = await four.hand()
    four.receiver.answer("bad", 500)
    for _ in range(3):
        await four.publish()
        await hand.work()
        await hand.turn("health")
        await hand.pass_time(four.settings.disable_after / 2)
    await four.publish()
    await hand.work()
    await hand.turn("health", "reader", "sweeper")
    endpoint = await four.registry.get_endpoint("bad")
    assert endpoint is not None
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "failing")
    await hand.settle()
    assert await speak(hand) >= 1
    assert [event["data"]["reason"] for event in told(four, kind="endpoint.disabled")] == ["failing"]
    assert [event["data"]["reason"] for event in told(four, kind="endpoint.failing")] == ["half_time"]
    assert await four.done()
    assert await four.balanced()


async def test_an_owner_is_told_of_the_first_dead_letter_of_a_failing_endpoint(
    four: Rig, endpoints: list[Endpoint]
) -> None:
    hand = await four.hand()
    first_ms = hand.time.now_ms()
    (address,) = await die(four, hand, 1)
    await hand.turn("health")
    await speak(hand)
    (event,) = told(four, kind="endpoint.failing")
    data, key = event["data"], four.key(address, endpoints[1])
    assert (data["endpoint"], data["reason"], data["consecutive_failures"]) == ("bad", "first_dead", 2)
    assert (data["delivery"], data["event"]) == (key.delivery_id, address.event_id)
    assert data["last_attempt"] == {"error": "http_status", "response_status": 500}
    since, disables = rfc3339.parse_ms(data["failing_since"]), rfc3339.parse_ms(data["disables_at"])
    assert first_ms <= since <= hand.time.now_ms()
    assert disables == since + four.settings.disable_after * 1_000
    assert event["id"] == f"op:{key.delivery_id}:endpoint_failing:first_dead:{since}"
    for _ in range(2):
        await die(four, hand, 1)
        await hand.pass_time(operational.QUIET_SECONDS)
        await speak(hand)
    assert len(told(four)) == 3
    assert len(told(four, kind="endpoint.failing")) == 1, "once until it is healthy again"


async def test_a_delivery_that_dies_among_others_that_get_through_makes_no_endpoint_failing(
    four: Rig, endpoints: list[Endpoint]
) -> None:
    hand = await four.hand()
    await four.publish()
    await hand.work()
    await hand.pass_time(3)
    await hand.work()
    four.receiver.answer("bad", 200)
    await four.publish()
    await hand.work()
    await hand.turn("health")
    await speak(hand)
    assert len(told(four)) == 1
    assert told(four, kind="endpoint.failing") == []


async def test_another_subscriber_hears_nothing_of_it(four: Rig, endpoints: list[Endpoint]) -> None:
    await four.endpoint("stranger", kind="external", event_types=EVERYTHING)
    hand = await four.hand()
    await die(four, hand, 1)
    await speak(hand)
    for kind in ("delivery.dead", "endpoint.failing"):
        assert told(four, kind=kind)
        assert told(four, "stranger", kind) == []


async def test_publishing_twice_is_one_event(
    four: Rig, endpoints: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between publishing and the removal from the outbox."""
    hand = await four.hand()
    await die(four, hand, 2)
    done = outbox.done

    async def breaking(*given: object) -> None:
        raise Disconnected("gone")

    monkeypatch.setattr(outbox, "done", breaking)
    with pytest.raises(Disconnected):
        await hand.turn("operational")
    monkeypatch.setattr(outbox, "done", done)
    await hand.end()
    other = await four.hand()
    other.clock.jump(leases.LEASE_SECONDS + 1)
    await other.turn("membership")
    await other.turn("operational")
    await other.work()
    assert len(told(four)) == 1
    assert await outbox.pending(four.redis, four.partitions) == []


async def test_dead_letters_of_an_endpoint_that_was_just_made_are_told(four: Rig, endpoints: list[Endpoint]) -> None:
    maker, speaker = await four.hand(), await four.hand()
    for _ in range(5):
        await maker.turn("membership")
        await speaker.turn("membership")
    new = await four.registry.create_endpoint(four.made("new", "all", event_types=("new.*",)))
    if new.number % 4 in maker.partitions:
        maker, speaker = speaker, maker
    four.receiver.answer("new", 410)
    await four.publish(1, min(maker.partitions), type="new.thing")
    await maker.work()
    await maker.attempts.finish()
    await maker.settle()
    await speaker.turn("operational")
    await maker.work()
    await speaker.work()
    assert "new" in [event["data"]["endpoint"] for event in told(four)]


async def test_letters_of_a_deleted_endpoint_are_forgotten(four: Rig, endpoints: list[Endpoint]) -> None:
    hand = await four.hand()
    await die(four, hand, 1)
    await four.registry.delete_endpoint("bad")
    await hand.turn("reader")
    assert await speak(hand) == 0
    assert await outbox.pending(four.redis, four.partitions) == []
