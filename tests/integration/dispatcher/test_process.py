"""Dispatchers with all their loops running, several in one process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as Disconnected

from dispatcher import process
from dispatcher.process import Dispatcher
from gateway import ids
from gateway.model.endpoint import Endpoint
from gateway.settings import Settings
from gateway.store import errors, leases
from gateway.store.registry import Registry
from tests.integration.dispatcher.clock import JumpClock
from tests.integration.dispatcher.rig import PATIENCE, Rig
from tests.support.valkey import ValkeyServer
from tests.support.waiting import until

DEADLINE = 4


@pytest.fixture
async def four(valkey_url: str, tmp_path: Path, short_grace: None) -> AsyncIterator[Rig]:
    """Four partitions, loops running, a short deadline."""
    async with Rig(valkey_url, tmp_path, partitions=4, deadline_seconds=DEADLINE) as rig:
        yield rig


async def owned(*dispatchers: Dispatcher) -> None:
    """Wait until all partitions are shared evenly."""

    def even() -> bool:
        shares = [len(dispatcher.partitions) for dispatcher in dispatchers]
        return sum(shares) == 4 and max(shares) - min(shares) <= 1

    await until(even, PATIENCE, "an even share")


async def publish_everywhere(rig: Rig, count: int) -> list[ids.Address]:
    found: list[ids.Address] = []
    for number in range(4):
        found += await rig.publish(count, number)
    return found


def sent_once(rig: Rig, addresses: list[ids.Address], shop: Endpoint) -> None:
    assert sorted(rig.receiver.ids(shop.id)) == sorted(address.event_id for address in addresses)


async def test_two_share_evenly_and_one_alone_takes_all(four: Rig) -> None:
    shop = await four.endpoint("shop")
    first = await four.dispatch()
    await owned(first)
    second = await four.dispatch()
    await owned(first, second)
    addresses = await publish_everywhere(four, 50)
    await four.wait_done()
    sent_once(four, addresses, shop)
    await first.stop()
    await owned(second)
    addresses += await publish_everywhere(four, 50)
    await four.wait_done()
    sent_once(four, addresses, shop)
    assert await four.balanced()


async def test_three_and_five_share_evenly_too(four: Rig) -> None:
    dispatchers = [await four.dispatch() for _ in range(3)]
    await owned(*dispatchers)
    dispatchers += [await four.dispatch() for _ in range(2)]
    await owned(*dispatchers)


async def test_one_stops_under_load_while_receivers_are_slow_and_nothing_is_repeated(four: Rig) -> None:
    shop = await four.endpoint("shop")
    first, second = await four.dispatch(), await four.dispatch()
    await owned(first, second)
    four.receiver.hold("shop")
    addresses = await publish_everywhere(four, 10)
    await four.receiver.wait("shop", 40)
    stopping = asyncio.create_task(first.stop())
    await until(lambda: len(second.partitions) == 4, PATIENCE, "the take-over")
    addresses += await publish_everywhere(four, 5)
    four.receiver.release("shop")
    await stopping
    await four.wait_done()
    sent_once(four, addresses, shop)
    assert await four.balanced()


async def test_a_stop_ends_within_deadline_and_grace_although_a_receiver_hangs(four: Rig) -> None:
    """The former owner settles the attempt that runs; the next one does not send it before the deadline plus 1 s."""
    shop = await four.endpoint("shop")
    first = await four.dispatch()
    await owned(first)
    four.receiver.hold("shop")
    addresses = await publish_everywhere(four, 2)
    await four.receiver.wait("shop", 8)
    loop = asyncio.get_running_loop()
    began = loop.time()
    stopping = asyncio.create_task(first.stop())
    await until(lambda: not first.partitions, PATIENCE, "the hand-over")
    second = await four.dispatch()
    await owned(second)
    await stopping
    assert loop.time() - began < DEADLINE + 2
    states = [await four.record(address, shop) for address in addresses]
    assert [record.error.name.lower() for record in states if record] == ["deadline"] * 8
    assert {record.attempts for record in states if record} == {1}
    assert len(four.receiver.requests) == 8
    assert await four.balanced()


async def test_one_is_killed_and_the_other_goes_on_after_its_lease(four: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BEAT_SECONDS", 0.2), ("SAFE_SECONDS", 0.6), ("LEASE_SECONDS", 1.0)):
        monkeypatch.setattr(leases, name, seconds)
    await four.endpoint("shop")
    first, second = await four.dispatch(), await four.dispatch()
    await owned(first, second)
    four.receiver.hold("shop")
    addresses = await publish_everywhere(four, 10)
    await four.receiver.wait("shop", 40)
    mine = set(first.partitions)
    await first.end()
    await owned(second)
    four.receiver.release("shop")
    await four.wait_done()
    repeated = {four.address(event).partition for _, event in four.receiver.repeated()}
    assert repeated <= mine, "only what was in flight there"
    assert {request.id for request in four.receiver.requests} == {address.event_id for address in addresses}
    assert await four.balanced()


async def test_a_store_that_is_away_interrupts_and_nothing_more(
    tmp_path: Path, valkey_server: ValkeyServer, short_grace: None
) -> None:
    async with Rig(valkey_server.url, tmp_path, partitions=4, deadline_seconds=DEADLINE) as rig:
        shop = await rig.endpoint("shop")
        dispatcher = await rig.dispatch()
        await owned(dispatcher)
        addresses = await publish_everywhere(rig, 5)
        await rig.wait_done()
        for _ in range(2):
            valkey_server.kill9()
            await asyncio.to_thread(valkey_server.start)
        addresses += await publish_everywhere(rig, 5)
        await rig.wait_done()
        sent_once(rig, addresses, shop)
        await dispatcher.stop()


async def test_a_stop_while_the_store_hangs_ends_in_time_too(
    tmp_path: Path, valkey_server: ValkeyServer, short_grace: None
) -> None:
    async with Rig(valkey_server.url, tmp_path, partitions=4, deadline_seconds=1) as rig:
        dispatcher = await rig.dispatch()
        await owned(dispatcher)
        await publish_everywhere(rig, 5)
        loop = asyncio.get_running_loop()
        valkey_server.pause()
        try:
            began = loop.time()
            await dispatcher.stop()
            assert loop.time() - began < 1 + 2
        finally:
            valkey_server.resume()


async def test_it_waits_for_the_store_and_for_ever(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap, tries = Registry.bootstrap, 0
    clock = JumpClock()

    async def breaking(self: Registry, partitions: int) -> object:
        nonlocal tries
        tries += 1
        clock.jump(process.RETRY_SECONDS)
        if tries < 5:
            raise Disconnected("gone")
        return await bootstrap(self, partitions)

    monkeypatch.setattr(Registry, "bootstrap", breaking)
    await rig.dispatch(clock)
    assert tries == 5


async def test_another_partition_count_is_refused(rig: Rig, valkey_url: str) -> None:
    given = {name: getattr(rig.settings, name) for name in ("redis_url", "data", "encryption_keys")}
    wrong = Dispatcher(Settings(**given, partitions=7), valkey_url, JumpClock())
    rig.dispatchers.append(wrong)
    with pytest.raises(errors.PartitionCountError):
        await wrong.start()


async def test_a_loop_that_fails_is_logged_and_runs_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await rig.endpoint("shop")
    dispatcher = Dispatcher(rig.settings, rig.url, JumpClock())
    rig.dispatchers.append(dispatcher)
    loop, failures = dispatcher.loops["reader"], 0

    async def breaking() -> object:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise ZeroDivisionError
        return await loop.run_once()

    dispatcher.loops["reader"] = loop._replace(run_once=breaking)
    await dispatcher.start()
    addresses = await rig.publish(3)
    await rig.wait_done()
    sent_once(rig, addresses, shop)
    assert "loop.failed" in caplog.text
