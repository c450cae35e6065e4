"""The mark of an endpoint that waits for a replay changes by compare-and-set."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay
from gateway.model.subscriber import Subscriber
from gateway.store import marks
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock


@pytest.fixture
async def registry(redis: Redis) -> Registry:
    made = Registry(redis, HandClock())
    endpoint = Endpoint("a", 0, "shop", "internal", "https://shop.test/", ordered=True)
    await made.create_subscriber(Subscriber("shop", "internal"), [endpoint])
    return made


async def read(registry: Registry) -> Endpoint:
    found = await registry.get_endpoint("a")
    assert found is not None
    return found


async def test_only_what_was_read_is_marked(registry: Registry) -> None:
    before = await read(registry)
    assert await marks.put(registry, before, "rpl_1")
    assert (await read(registry)).catch_up == "rpl_1"
    assert not await marks.put(registry, before, "rpl_2")
    assert (await read(registry)).catch_up == "rpl_1"


async def test_only_the_mark_of_that_replay_is_cleared(registry: Registry) -> None:
    assert await marks.clear(registry, "missing", "rpl_1")
    assert await marks.clear(registry, "a", "rpl_1")
    before = await read(registry)
    await marks.put(registry, before, "rpl_1")
    assert await marks.clear(registry, "a", "rpl_2")
    assert (await read(registry)).catch_up == "rpl_1"
    assert await marks.clear(registry, "a", "rpl_1")
    assert (await read(registry)).catch_up == ""


@pytest.mark.parametrize(("changes", "cleared"), [(3, True), (100, False)])
async def test_clearing_goes_on_over_other_changes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, changes: int, cleared: bool
) -> None:
    await marks.put(registry, await read(registry), "rpl_1")
    left = changes
    update = registry.update_endpoint

    async def beaten(endpoint: Endpoint, expected_revision: int) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            now = await read(registry)
            await update(msgspec.structs.replace(now, description=f"{left}"), now.revision)
        return await update(endpoint, expected_revision)

    monkeypatch.setattr(registry, "update_endpoint", beaten)
    assert await marks.clear(registry, "a", "rpl_1") is cleared
    assert ((await read(registry)).catch_up == "") is cleared


def test_an_end_is_fixed_once() -> None:
    replay = Replay("rpl_1", 0, "a", 1, 0, marks.AT_MARK, catch_up=True)
    fixed = marks.fixed(replay, 50)
    assert fixed is not None
    assert fixed.until_ms == 51
    assert marks.fixed(fixed, 60) is None
