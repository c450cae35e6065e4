"""Which connection an attempt gets, and how many there are."""

import asyncio

from dispatcher.sender import Answered, Failed, Limits
from dispatcher.sender.opening import Opening
from gateway.clock import SystemClock
from tests.integration.dispatcher.sender.harness import REQUEST, Harness
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary, Peer
from tests.support.waiting import until


class Gate:
    """A receiver that answers when the test says so, with the number of the connection."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self._connections = 0

    async def __call__(self, peer: Peer) -> None:
        self._connections += 1
        number = b"%d" % self._connections
        while await peer.request():
            await self.open.wait()
            await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(number), number))


async def test_attempts_in_flight_have_a_connection_each_and_the_last_used_is_taken_first(harness: Harness) -> None:
    gate = Gate()
    async with Adversary(gate) as receiver:
        destination = harness.destination(receiver.port)
        waiting = [harness.start(destination) for _ in range(3)]
        await until(lambda: len(receiver.requests) == 3, 5, "three requests")
        gate.open.set()
        results = await asyncio.gather(*waiting)
        assert receiver.connections == 3
        bodies = [result.body for result in results if isinstance(result, Answered)]
        assert sorted(bodies) == [b"1", b"2", b"3"]
        first = await harness.answered(destination)
        for _ in range(3):
            assert (await harness.answered(destination)).body == first.body


async def test_idle_connections_end_after_their_time() -> None:
    async with (
        Adversary(adversaries.answer(OK)) as receiver,
        Harness(Limits(idle_seconds=0.05, tick_seconds=0.01)) as harness,
    ):
        await harness.answered(harness.destination(receiver.port))
        await until(lambda: receiver.closed_connections == 1, 5, "our close")
        assert harness.sender._pool.empty()
        assert not harness.sender._pool._idle


async def test_only_so_many_idle_connections_are_kept() -> None:
    gate = Gate()
    async with Adversary(gate) as receiver, Harness(Limits(idle_per_destination=2)) as harness:
        waiting = [harness.start(harness.destination(receiver.port)) for _ in range(5)]
        await until(lambda: len(receiver.requests) == 5, 5, "five requests")
        gate.open.set()
        await asyncio.gather(*waiting)
        await until(lambda: receiver.closed_connections == 3, 5, "three closed")


async def test_at_the_bound_an_attempt_waits_for_a_connection_of_its_own_destination() -> None:
    async with Adversary(adversaries.answer(OK)) as receiver, Harness(Limits(sockets=2)) as harness:
        waiting = [harness.start(harness.destination(receiver.port)) for _ in range(50)]
        results = await asyncio.gather(*waiting)
        assert all(isinstance(result, Answered) for result in results)
        assert receiver.connections == 2


async def test_at_the_bound_an_idle_connection_of_another_destination_is_given_up() -> None:
    async with (
        Adversary(adversaries.answer(OK)) as one,
        Adversary(adversaries.answer(OK)) as two,
        Harness(Limits(sockets=1)) as harness,
    ):
        await harness.answered(harness.destination(one.port))
        await harness.answered(harness.destination(two.port))
        assert one.closed_connections == 1


async def test_at_the_bound_a_connection_that_gets_free_makes_room_for_another_destination() -> None:
    gate = Gate()
    async with (
        Adversary(gate) as one,
        Adversary(adversaries.answer(OK)) as two,
        Harness(Limits(sockets=1)) as harness,
    ):
        first = harness.start(harness.destination(one.port))
        await until(lambda: one.requests, 5, "the request")
        second = harness.start(harness.destination(two.port))
        gate.open.set()
        assert isinstance(await first, Answered)
        assert isinstance(await second, Answered)


async def test_at_the_bound_waiting_ends_at_the_deadline() -> None:
    async with (
        Adversary(adversaries.hang) as receiver,
        Harness(Limits(sockets=1, tick_seconds=0.01)) as harness,
    ):
        first = harness.start(harness.destination(receiver.port), REQUEST, 0.5)
        second = await harness.failed(harness.destination(receiver.port), REQUEST, 0.2)
        assert second.error == "deadline"
        assert second.detail == "the total deadline passed while waiting for a free socket"
        assert isinstance(await first, Failed)
        assert receiver.connections == 1


async def test_a_failed_opening_makes_room() -> None:
    with adversaries.blackhole() as port:
        async with (
            Adversary(adversaries.answer(OK)) as receiver,
            Harness(Limits(sockets=1, tick_seconds=0.01)) as harness,
        ):
            hopeless = harness.start(harness.destination(port), REQUEST, 0.2)
            assert isinstance(await harness.start(harness.destination(receiver.port)), Answered)
            assert isinstance(await hopeless, Failed)


async def test_the_last_quarter_is_kept_for_destinations_with_few_sockets() -> None:
    async with (
        Adversary(adversaries.hang) as stuck,
        Adversary(adversaries.hang) as stuck_too,
        Adversary(adversaries.answer(OK)) as healthy,
        Harness(Limits(sockets=16, few_sockets=2, tick_seconds=0.01)) as harness,
    ):
        hopeless = [
            harness.start(harness.destination(receiver.port), REQUEST, 0.5)
            for receiver in (stuck, stuck_too)
            for _ in range(30)
        ]
        await until(lambda: stuck.connections + stuck_too.connections == 14, 5, "all that may be taken")
        for _ in range(5):
            await harness.answered(harness.destination(healthy.port))
        assert (stuck.connections, stuck_too.connections, healthy.connections) == (12, 2, 1)
        await asyncio.gather(*hopeless)


async def test_at_the_bound_destinations_wait_in_turns() -> None:
    gate = Gate()
    async with (
        Adversary(adversaries.answer_and_close(OK)) as many,
        Adversary(adversaries.answer_and_close(OK)) as one,
        Adversary(gate) as first,
        Harness(Limits(sockets=1)) as harness,
    ):
        holder = harness.start(harness.destination(first.port))
        await until(lambda: first.requests, 5, "the request")
        waiting = [harness.start(harness.destination(many.port)) for _ in range(20)]
        last = harness.start(harness.destination(one.port))
        gate.open.set()
        await last
        assert sum(result.done() for result in waiting) < 5
        await asyncio.gather(holder, *waiting)
        assert harness.sender._pool._sockets == {}


async def test_a_connection_that_comes_after_its_attempt_has_ended_is_counted_until_it_is_closed(
    harness: Harness,
) -> None:
    async with Adversary(adversaries.answer(OK)) as receiver:
        destination = harness.destination(receiver.port)
        await harness.answered(destination)
        pool = harness.sender._pool
        connection = pool.take(destination.key, SystemClock().monotonic())
        assert connection is not None
        pool._connections.discard(connection)
        pool._leave(destination.key)
        late = Opening(pool, destination, REQUEST, 0, 1e9, lambda _result: None)
        late.fail("deadline", "it took too long")
        pool.opened(late, connection)
        assert pool._sockets == {destination.key: 1}
        late.hand_over(connection)
        await until(pool.empty, 5, "our close")
        assert pool._sockets == {}
