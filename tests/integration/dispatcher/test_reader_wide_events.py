"""One event for thousands of endpoints: in chunks, with bounded memory, beside other events, through a kill."""

import asyncio
from typing import Any

import pytest

from dispatcher.process import Dispatcher
from dispatcher.reader import UNRECORDED
from gateway import tasks
from tests.integration.dispatcher.rig import Rig
from tests.support.waiting import until

WIDE = 10_000
AT_ONCE = 250
PATIENCE = 60.0
SLOW_US = 5_000
pytestmark = pytest.mark.usefixtures("short_grace")


async def registered(rig: Rig, count: int) -> None:
    """So many endpoints for `wide.event`, and one for everything else."""
    for start in range(0, count, AT_ONCE):
        names = [f"wide-{number}" for number in range(start, min(count, start + AT_ONCE))]
        await rig.endpoints(names, subscriber=f"s{start}", event_types=("wide.event",))
    await rig.endpoint("narrow", event_types=("narrow.event",))


def wide(rig: Rig) -> int:
    """How many requests of the wide event came."""
    return len(rig.receiver.requests) - len(rig.receiver.ids("narrow"))


async def watch(dispatcher: Dispatcher, most: list[int]) -> None:
    """Note how many deliveries were ever without a record, or in hand, at once."""
    never = asyncio.Event()
    while True:
        (partition,) = dispatcher.partitions.values()
        most[0] = max(most[0], len(partition.unrecorded))
        most[1] = max(most[1], len(partition.in_hand))
        await tasks.wait(never, 0.001)


async def test_ten_thousand_endpoints_in_chunks_beside_other_events(rig: Rig) -> None:
    await registered(rig, WIDE)
    dispatcher = await rig.dispatch()
    await until(lambda: bool(dispatcher.partitions), PATIENCE, "a partition")
    most = [0, 0]
    watching = asyncio.create_task(watch(dispatcher, most))
    await rig.redis.config_set("slowlog-log-slower-than", SLOW_US)
    await rig.redis.slowlog_reset()
    await rig.redis.config_resetstat()
    await rig.publish(type="wide.event")
    await until(lambda: wide(rig) > UNRECORDED, PATIENCE, "the first deliveries")
    for number in range(20):
        await rig.publish(type="narrow.event")
        await rig.receiver.wait("narrow", number + 1)
    assert wide(rig) < WIDE, "the others did not wait for it"
    await rig.wait_done(PATIENCE)
    await tasks.end(watching)
    slow: Any = await rig.redis.slowlog_get(128)
    scripts = [entry for entry in slow if entry["command"].startswith(b"EVALSHA")]
    calls = (await rig.redis.info("commandstats"))["cmdstat_evalsha"]
    # the time is that of the clock: on a machine that is busy with something else some of hundreds look slow
    assert len(scripts) <= calls["calls"] // 10, scripts[:3]
    assert calls["usec_per_call"] < SLOW_US / 2
    assert rig.receiver.repeated() == {}
    assert wide(rig) == WIDE
    assert most[0] <= UNRECORDED + 1, "those of the wide event, and one of another"
    assert most[1] <= 8 * UNRECORDED
    assert await rig.balanced()


async def test_killed_in_the_middle_it_goes_on_and_nothing_recorded_is_sent_again(rig: Rig) -> None:
    await registered(rig, 2_000)
    former = await rig.dispatch()
    (address,) = await rig.publish(type="wide.event")
    await until(lambda: wide(rig) > 1_000, PATIENCE, "half of the deliveries")
    await former.end()
    recorded = await rig.redis.hlen(rig.partitions[0].records(rig.key(address, 1).minute))
    sent = wide(rig)
    assert recorded < 2_000
    other = await rig.hand()
    await other.pass_time(10.1)
    while not await rig.done():
        await other.work()
    assert wide(rig) == sent + 2_000 - recorded
    assert len(rig.receiver.repeated()) == sent - recorded <= UNRECORDED
    assert await rig.balanced()
