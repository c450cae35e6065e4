"""What connections share."""

import asyncio
from typing import Any

from gateway.api.http1.exchange import Exchange
from gateway.api.http1.shared import READ_BYTES, Shared, Times


class Peer:
    """A connection that is only told to abort."""

    def __init__(self) -> None:
        self.aborted = False

    def finish(self, exchange: Exchange) -> None:
        """An answer."""

    def invite(self) -> None:
        """Nothing."""

    def want_more(self) -> None:
        """Nothing."""

    def abort(self) -> None:
        """Remember."""
        self.aborted = True


async def test_running_requests_are_counted_and_the_last_one_is_told() -> None:
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()

    shared = Shared(app, asyncio.get_running_loop(), Times())
    peers = [Peer(), Peer()]
    for peer in peers:
        shared.start(Exchange(peer, {}, keep_alive=True, expects=False))
    assert shared.running == 2
    shared.draining = True
    gate.set()
    await asyncio.wait_for(shared.idle.wait(), 5)
    assert shared.running == 0
    assert [peer.aborted for peer in peers] == [True, True]
    assert len(shared.buffer) == READ_BYTES
