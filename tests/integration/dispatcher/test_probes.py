"""Endpoints that were disabled as failing: tried now and then, enabled by the first success."""

import json
from typing import Any

import pytest

from dispatcher import probes
from gateway import ids, rfc3339
from gateway.model.delivery import Trigger
from gateway.model.endpoint import Endpoint, LastFailure
from gateway.store import work
from gateway.store.health import HealthStore
from tests.integration.dispatcher.rig import Hand, Rig

STEP = 100
FIRST, LONGEST = probes.FIRST_MS / 1_000, probes.LONGEST_MS / 1_000


@pytest.fixture
async def endpoints(four: Rig) -> list[Endpoint]:
    """`owner` hears everything of its subscriber, `bad` fails."""
    four.receiver.answer("bad", 500)
    owner = four.made("owner", "all", event_types=("*", "hookline.*"))
    bad = four.made("bad", "all", retry_schedule=(1,))
    return list(await four.registry.create_subscriber(four.subscriber("all"), [owner, bad]))


async def disable(four: Rig, hand: Hand, bad: Endpoint, partition: int = 0) -> ids.Address:
    """A delivery that died, and the endpoint disabled for it; when it was is `disabled_ms` of the registry."""
    (address,) = await four.publish(1, partition)
    await hand.work()
    await hand.pass_time(3)
    await hand.work()
    now_ms = hand.time.now_ms()
    last = LastFailure(now_ms, "http_status", 500, four.key(address, bad).delivery_id)
    assert await four.registry.disable("bad", "failing", now_ms, last)
    await hand.turn("reader", "sweeper")
    return address


def sent(four: Rig) -> int:
    return sum(request.name == "bad" for request in four.receiver.requests)


async def probe(hand: Hand) -> int:
    """One turn; how many probes were ordered and made."""
    (ordered,) = await hand.turn("probes")
    await hand.work()
    await hand.attempts.finish()
    await hand.settle()
    await hand.turn("health")
    return int(ordered)


async def enabled(four: Rig) -> bool:
    endpoint = await four.registry.get_endpoint("bad")
    assert endpoint is not None
    return endpoint.status == "enabled"


async def test_a_probe_that_gets_through_enables_the_endpoint_and_delivers(
    four: Rig, endpoints: list[Endpoint]
) -> None:
    hand, bad = await four.hand(), endpoints[1]
    address = await disable(four, hand, bad)
    disabled_ms = hand.time.now_ms()
    before = sent(four)
    assert await probe(hand) == 0
    assert sent(four) == before, "not before its time"
    four.receiver.answer("bad", 200)
    await hand.pass_time(FIRST + 1)
    assert await probe(hand) == 1
    assert sent(four) == before + 1
    assert await enabled(four)
    assert await four.states([address], bad) == ["delivered"]
    attempts = await four.attempts(address, bad)
    assert [attempt.trigger for attempt in attempts] == [Trigger.FIRST, Trigger.SCHEDULE, Trigger.PROBE]
    health = (await HealthStore(four.redis).get([bad.number]))[bad.number]
    assert (health.consecutive_failures, health.failing_since_ms) == (0, None)
    assert health.last_success_ms is not None
    await hand.turn("reader", "operational")
    await hand.work()
    (told,) = [event for event in heard(four) if event["type"] == "hookline.endpoint.enabled"]
    data = told["data"]
    assert (data["endpoint"], data["event"]) == ("bad", address.event_id)
    assert data["delivery"] == four.key(address, bad).delivery_id
    assert rfc3339.parse_ms(data["disabled_since"]) <= disabled_ms
    replay = data["replay"]
    assert (replay["endpoint"], replay["mode"]) == ("bad", "fill")
    assert rfc3339.parse_ms(replay["since"]) <= disabled_ms < rfc3339.parse_ms(replay["until"])
    assert await work.outstanding(four.redis, four.partitions) == 0
    await four.publish()
    await hand.work()
    assert sent(four) == before + 2, "it gets events again"
    assert await four.balanced()


def heard(four: Rig) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in four.receiver.requests if request.name == "owner"]


async def test_what_was_missed_is_in_the_replay_that_is_offered(four: Rig, endpoints: list[Endpoint]) -> None:
    hand, bad = await four.hand(), endpoints[1]
    await four.publish()
    await hand.work()
    await hand.turn("health")
    health = (await HealthStore(four.redis).get([bad.number]))[bad.number]
    await disable(four, hand, bad)
    four.receiver.answer("bad", 200)
    await hand.pass_time(FIRST + 1)
    assert await probe(hand) == 1
    await hand.turn("reader", "operational")
    await hand.work()
    (told,) = [event for event in heard(four) if event["type"] == "hookline.endpoint.enabled"]
    assert health.failing_since_ms is not None
    since = rfc3339.parse_ms(told["data"]["replay"]["since"])
    assert since == health.failing_since_ms - (four.settings.deadline_seconds + 1) * 1_000


async def test_a_probe_that_fails_changes_nothing_and_the_next_comes_later(
    four: Rig, endpoints: list[Endpoint]
) -> None:
    hand, bad = await four.hand(), endpoints[1]
    address = await disable(four, hand, bad)
    (state,) = await four.states([address], bad)
    before = sent(four)
    waits = []
    for _ in range(3):
        waited = 0
        while await probe(hand) == 0:
            await hand.pass_time(STEP)
            waited += STEP
        waits.append(waited)
    assert sent(four) == before + 3
    assert await four.states([address], bad) == [state]
    assert not await enabled(four)
    expected = (FIRST, FIRST, 2 * FIRST)
    assert all(due <= waited <= due + 2 * STEP for due, waited in zip(expected, waits, strict=True))
    attempts = await four.attempts(address, bad)
    assert [attempt.trigger for attempt in attempts[2:]] == [Trigger.PROBE] * 3
    assert await four.balanced()


async def test_a_restart_does_not_probe_at_once(four: Rig, endpoints: list[Endpoint]) -> None:
    hand, bad = await four.hand(), endpoints[1]
    await disable(four, hand, bad)
    await hand.pass_time(FIRST + 1)
    assert await probe(hand) == 1
    before, passed = sent(four), hand.clock.monotonic()
    await hand.membership.leave()
    await hand.end()
    other = await four.hand()
    other.clock.jump(FIRST)
    await other.time.sample(four.redis)
    await other.turn("membership")
    assert passed
    assert await probe(other) == 0
    assert sent(four) == before


async def test_one_dispatcher_probes(four: Rig, endpoints: list[Endpoint]) -> None:
    """The speaker orders, the owner of the delivery's partition sends: here they are different ones."""
    first, second = await four.hand(), await four.hand()
    for _ in range(5):
        await first.turn("membership")
        await second.turn("membership")
    bad = endpoints[1]
    speaker, other = (first, second) if bad.number % 4 in first.partitions else (second, first)
    address = await disable(four, other, bad, min(other.partitions))
    await speaker.turn("reader")
    four.receiver.answer("bad", 200)
    before = sent(four)
    for hand in (speaker, other):
        await hand.pass_time(FIRST + 10)
    assert (await other.turn("probes"), await speaker.turn("probes")) == ([0], [1])
    await speaker.work()
    assert sent(four) == before, "it is not the speaker's to send"
    await other.work()
    await other.attempts.finish()
    await other.settle()
    assert sent(four) == before + 1
    assert await enabled(four)
    assert await four.states([address], bad) == ["delivered"]


@pytest.mark.parametrize("lost", ["gone", "damaged", "delivered"])
async def test_a_test_event_is_sent_when_the_delivery_cannot_be(
    four: Rig, endpoints: list[Endpoint], lost: str
) -> None:
    hand, bad = await four.hand(), endpoints[1]
    address = await disable(four, hand, bad)
    partition = four.partitions[0]
    if lost == "gone":
        await four.redis.xdel(partition.log, address.stream_id)
    elif lost == "damaged":
        (entry,) = await entries(four, address)
        await four.redis.delete(partition.log)
        changed = {**entry, b"d": b'{"n":2}'}
        await four.redis.xadd(partition.log, changed, id=address.stream_id)
    else:
        await four.switch(bad, "enabled")
        four.receiver.answer("bad", 200)
        await four.order(address, bad)
        await hand.turn("reader")
        await hand.work()
        last = LastFailure(hand.time.now_ms(), "http_status", 500, four.key(address, bad).delivery_id)
        await four.registry.disable("bad", "failing", hand.time.now_ms(), last)
        await hand.turn("reader", "sweeper")
    four.receiver.answer("bad", 500)
    await hand.pass_time(FIRST + 1)
    assert await probe(hand) == 0, "the event was published a moment ago"
    await hand.pass_time(probes.AHEAD_SECONDS + 1)
    assert await probe(hand) == 1
    assert not await enabled(four)
    request = [one for one in four.receiver.requests if one.name == "bad"][-1]
    body = json.loads(request.body)
    assert body["type"] == "hookline.test"
    assert body["data"] == {"endpoint": "bad", "subscriber": "all", "reason": "probe"}
    four.receiver.answer("bad", 200)
    await hand.pass_time(2 * FIRST + 10)
    assert await probe(hand) == 1
    again = [one for one in four.receiver.requests if one.name == "bad"][-1]
    assert json.loads(again.body)["id"] == body["id"], "the same event until it is gone"
    assert await enabled(four)
    if lost != "damaged":
        assert (await four.balanced()) is (lost == "delivered")


async def entries(four: Rig, address: ids.Address) -> list[dict[Any, Any]]:
    found: Any = await four.redis.xrange(four.partitions[0].log, address.stream_id, address.stream_id)
    return [dict(fields) for _, fields in found]


async def test_a_probe_that_is_told_gone_is_the_last(four: Rig, endpoints: list[Endpoint]) -> None:
    hand, bad = await four.hand(), endpoints[1]
    address = await disable(four, hand, bad)
    (state,) = await four.states([address], bad)
    four.receiver.answer("bad", 410)
    await hand.pass_time(FIRST + 1)
    assert await probe(hand) == 1
    endpoint = await four.registry.get_endpoint("bad")
    assert endpoint is not None
    assert endpoint.disabled_reason == "gone"
    assert await four.states([address], bad) == [state]
    await hand.turn("reader")
    await hand.pass_time(LONGEST * 3)
    assert await probe(hand) == 0


async def test_what_a_person_disabled_is_not_probed(four: Rig, endpoints: list[Endpoint]) -> None:
    hand, bad = await four.hand(), endpoints[1]
    await disable(four, hand, bad)
    await four.switch(bad, "enabled")
    await four.switch(bad, "disabled")
    await hand.turn("reader")
    await hand.pass_time(LONGEST)
    assert await probe(hand) == 0


async def test_a_probe_whose_endpoint_a_person_disabled_meanwhile_is_not_sent(
    four: Rig, endpoints: list[Endpoint]
) -> None:
    hand, bad = await four.hand(), endpoints[1]
    address = await disable(four, hand, bad)
    before = sent(four)
    await hand.pass_time(FIRST + 1)
    assert await hand.turn("probes") == [1]
    await four.switch(bad, "enabled")
    await four.switch(bad, "disabled")
    await hand.work()
    assert sent(four) == before
    assert await work.outstanding(four.redis, four.partitions) == 0
    assert await four.states([address], bad) == ["dead exhausted"]


async def test_a_success_that_comes_after_a_person_decided_enables_nothing(
    four: Rig, endpoints: list[Endpoint]
) -> None:
    hand, bad = await four.hand(), endpoints[1]
    address = await disable(four, hand, bad)
    four.receiver.answer("bad", 200)
    await hand.pass_time(FIRST + 1)
    await hand.turn("probes")
    await four.registry.enable("bad")
    await four.registry.disable("bad", "failing", hand.time.now_ms())
    await hand.work()
    await hand.attempts.finish()
    await hand.settle()
    assert await four.states([address], bad) == ["delivered"]
