import asyncio

import pytest
from redis.exceptions import ConnectionError as Disconnected

from dispatcher import request
from gateway import ids
from gateway.model.delivery import AttemptError, Trigger
from gateway.store.registry import Registry
from receivers import Verifier
from tests.integration.dispatcher.rig import Rig
from tests.support.valkey import free_port
from tests.support.waiting import until


async def test_what_was_sent_is_what_the_attempt_says(rig: Rig) -> None:
    shop = await rig.endpoint("shop", headers={"x-shop": "7", "authorization": "Bearer secret"})
    hand = await rig.hand()
    rig.receiver.answer("shop", 201, headers="x-answer: yes\r\n")
    (address,) = await rig.publish(subject="order/1", time="2026-01-02T03:04:05Z")
    await hand.work()
    (sent,) = rig.receiver.requests
    (attempt,) = await rig.attempts(address, shop)
    assert attempt.trigger == Trigger.FIRST
    assert (attempt.status, attempt.error, attempt.url) == (201, AttemptError.NONE, shop.url)
    assert attempt.signature.decode() == sent.headers["webhook-signature"]
    assert attempt.headers == {"x-shop": "7", "authorization": "***"}
    assert sent.headers["authorization"] == "Bearer secret"
    assert attempt.started_ms // 1_000 == int(sent.headers["webhook-timestamp"])
    assert b"x-answer: yes" in attempt.response_headers
    assert attempt.remote_address == "127.0.0.1"
    assert sent.body.endswith(b'"data":{"n":1}}')


async def test_the_signature_verifies(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    await rig.publish()
    await hand.work()
    (sent,) = rig.receiver.requests
    assert Verifier([rig.secret(shop)]).verify(sent.body, sent.headers)


@pytest.mark.parametrize(("status", "headers"), [(410, ""), (404, "webhook-delivery: disable\r\n")])
async def test_a_receiver_that_asks_for_it_is_disabled_before_its_delivery_is_dead(
    rig: Rig, status: int, headers: str
) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", status, headers=headers)
    (address,) = await rig.publish()
    await hand.work()
    await hand.attempts.finish()
    await hand.settle()
    assert await rig.states([address], shop) == ["dead gone"]
    endpoint = await rig.registry.get_endpoint("shop")
    assert endpoint is not None
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "gone")
    await rig.publish()
    await hand.work()
    assert len(rig.receiver.requests) == 1


async def test_the_delivery_waits_until_its_endpoint_is_disabled(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the two must repeat the attempt, not forget to disable."""
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    disable, tries = Registry.disable, 0

    async def breaking(*given: object) -> bool:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Disconnected("gone")
        return await disable(*given)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(Registry, "disable", breaking)
    rig.receiver.answer("shop", 410)
    (address,) = await rig.publish()
    await hand.turn("reader")
    await until(lambda: tries == 1, 5)
    assert await rig.record(address, shop) is None
    hand.clock.jump(1)
    await hand.attempts.finish()
    await hand.settle()
    assert await rig.states([address], shop) == ["dead gone"]


async def test_disable_is_said_by_4xx_only(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 503, headers="webhook-delivery: disable\r\n")
    (address,) = await rig.publish()
    await hand.work()
    assert await rig.states([address], shop) == ["scheduled"]


async def test_a_refused_connection_is_an_attempt(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    moved = rig.made("moved", "all")
    await rig.registry.create_subscriber(rig.subscriber("all"), [rig.at(moved, f"http://127.0.0.1:{free_port()}/")])
    hand = await rig.hand()
    (address,) = await rig.publish()
    await hand.work()
    (endpoint,) = await rig.registry.list_endpoints("all")
    (attempt,) = await rig.attempts(address, endpoint)
    assert attempt.error == AttemptError.CONNECT_REFUSED
    assert await rig.states([address], endpoint) == ["scheduled"]
    assert await rig.states([address], shop) == ["delivered"]


async def test_an_endpoint_whose_url_or_secret_is_refused_fails_by_its_schedule(rig: Rig) -> None:
    """A rule that became stricter, or a key that was lost: the attempt says so, when it was made, and is retried."""
    blocked = rig.at(rig.made("blocked", "all"), "http://10.1.2.3/")
    (endpoint,) = await rig.registry.create_subscriber(rig.subscriber("all"), [blocked])
    hand = await rig.hand()
    (address,) = await rig.publish()
    await hand.work()
    (attempt,) = await rig.attempts(address, endpoint)
    assert attempt.error == AttemptError.ADDRESS_BLOCKED
    assert "10.1.2.3" in attempt.detail
    assert attempt.started_ms >= address.ms - 1_000
    assert await rig.states([address], endpoint) == ["scheduled"]


async def test_a_delivery_that_cannot_be_made_into_a_request_stops_no_loop(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, shop = await rig.endpoints(["odd", "shop"])
    hand = await rig.hand()
    build = request.build

    def breaking(to: request.Route, *given: object) -> request.Request:
        if to.endpoint.id == "odd":
            raise OverflowError("no such time")
        return build(to, *given)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(request, "build", breaking)
    addresses = await rig.publish(3)
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert await rig.states(addresses, odd) == ["scheduled"] * 3
    assert (await rig.attempts(addresses[0], odd))[0].error == AttemptError.PROTOCOL
    assert await rig.recorded()


async def test_the_result_of_a_lost_partition_is_nobodys_business(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    (address,) = await rig.publish()
    await hand.work()
    partition = hand.partitions[0]
    partition.lost = True
    rig.receiver.release("shop")
    await asyncio.wait_for(hand.attempts.idle.wait(), 5)
    assert not partition.has_work()
    assert await rig.record(address, shop) is None


async def test_many_attempts_are_timed(rig: Rig) -> None:
    await rig.endpoint("shop")
    hand = await rig.hand()
    await rig.publish(200)
    await hand.work()
    timing = await rig.redis.hgetall(rig.partitions[0].timing)
    assert timing[b"count"] == b"200"
    assert sum(int(n) for bound, n in timing.items() if bound not in {b"count", b"sum"}) == 200
    assert int(timing[b"sum"]) > 0


async def test_a_stale_owner_starts_nothing_and_goes_on_after_its_beat(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    hand.clock.jump(7)
    addresses: list[ids.Address] = await rig.publish(3)
    await hand.turn("reader", "retries")
    assert hand.attempts.running == 0
    assert hand.attempts.lanes.waiting == 3
    await hand.turn("membership")
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert not rig.receiver.repeated()


async def test_a_payload_that_is_on_its_way_is_not_kept_for_an_endpoint_that_hangs(rig: Rig) -> None:
    await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    data = b'"%b"' % (b"x" * 100_000)
    await rig.publish(8, data=data)
    await hand.turn("reader")
    await rig.receiver.wait("shop", 8)
    (partition,) = hand.partitions.values()
    assert [len(delivery.event.data) for delivery in partition.in_hand.values()] == [0] * 8
    rig.receiver.answer("shop", 500, 200)
    rig.receiver.release("shop")
    await hand.work()
    await hand.pass_time(20)
    await hand.work()
    assert all(data in request.body for request in rig.receiver.requests)
    assert await rig.done()
