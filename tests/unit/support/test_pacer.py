"""Events are due at their instants, none is left out."""

import asyncio
import time

from tests.support.pacer import Pacer


async def test_every_event_is_due_once_at_its_instant() -> None:
    seen: list[int] = []
    late: list[int] = []
    enough = asyncio.Event()

    def due(instants: list[int]) -> None:
        late.append(time.monotonic_ns() - instants[0])
        seen.extend(instants)
        if len(seen) >= 50:
            enough.set()

    begun = time.monotonic_ns()
    pacer = Pacer(500.0, begun, due)
    pacer.start()
    await asyncio.wait_for(enough.wait(), 5)
    pacer.stop()
    assert seen == [begun + number * 2_000_000 for number in range(len(seen))]
    assert min(late) >= 0
