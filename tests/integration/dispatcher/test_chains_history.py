"""Ten thousand events of three hundred keys through three dispatchers and everything that may happen to them.

`ORDER_EVENTS` and `ORDER_SEED` make it longer and another one; the seed is in the log.
"""

import logging
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from dispatcher import membership
from tests.integration.dispatcher.orderly import Outcome
from tests.integration.dispatcher.rig import Rig
from tests.integration.dispatcher.weather import CREW, Moody, Weather

logger = logging.getLogger(__name__)
EVENTS = int(os.environ.get("ORDER_EVENTS", "10000"))
SIZE = 400
WEIGHTS = {
    "calm": 6, "kill": 3, "freeze": 3, "leave": 3, "pause": 4, "switch": 2, "outage": 2, "by_hand": 5,
}  # fmt: skip


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("ORDER_SEED") or secrets.randbelow(1_000_000))


@pytest.fixture
async def weather(
    valkey_url: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Weather]:
    monkeypatch.setattr(membership, "GRACE_SECONDS", 0.1)
    random = Random(seed)
    rig = Rig(valkey_url, tmp_path, partitions=6, retry_schedule=(1, 1, 2, 2, 4, 4), deadline_seconds=8)
    moody = rig.receiver = Moody(random)
    async with rig:
        endpoints = [
            await rig.endpoint("block", ordered=True, event_types=("order.*",)),
            await rig.endpoint("skip", ordered=True, on_failure="skip", event_types=("order.skip",)),
            await rig.endpoint("flow", ordered=True, event_types=("order.flow",)),
            await rig.endpoint("plain", event_types=("order.plain",)),
        ]
        weather = Weather(rig, moody, random, {endpoint.id: endpoint for endpoint in endpoints})
        for _ in range(CREW):
            await weather.join()
        yield weather


@pytest.mark.timeout(max(120, EVENTS // 50))
async def test_whatever_happens_each_key_comes_in_its_order(weather: Weather, seed: int) -> None:
    logger.warning("seed %d", seed)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    await weather.happen("calm", SIZE)
    turns = [*names, *weather.random.choices(names, weights, k=max(0, EVENTS // (SIZE + 50) - len(names)))]
    weather.random.shuffle(turns)
    for what in turns:
        await weather.happen(what, SIZE)
    while len(weather.events) < EVENTS:
        await weather.happen("calm", SIZE)
    await weather.clear_up()
    outcome = await Outcome.read(weather)
    await outcome.check()
    rig = weather.rig
    assert await rig.balanced()
    for partition in rig.partitions:
        assert await rig.redis.zcard(partition.order) == 0
    for member in weather.crew:
        assert [p.chains.behind.total() for p in member.partitions.values()] == [0] * len(member.partitions)
        assert member.attempts.lanes.waiting == 0
