"""The door: many at once, and the end."""

import asyncio
from pathlib import Path

import pytest

from dispatcher.sender import Answered, Failed, Limits, Result, SenderClosedError
from tests.integration.dispatcher.sender.harness import REQUEST, Harness
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary, Peer
from tests.support.waiting import until


async def echo(peer: Peer) -> None:
    """Answer with the request's body."""
    while request := await peer.request():
        body = request.partition(b"\r\n\r\n")[2]
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


async def test_each_attempt_gets_its_own_answer(harness: Harness) -> None:
    async with Adversary(echo) as receiver:
        destination = harness.destination(receiver.port)
        answers: dict[int, Result] = {}
        rest = iter(range(16, 500))

        def send(number: int) -> None:
            body = b"%08d" % number
            head = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 8\r\n\r\n"

            def done(result: Result) -> None:
                assert number not in answers
                answers[number] = result
                following = next(rest, None)
                if following is not None:
                    send(following)

            harness.sender.send(destination, head + body, 10, done)

        for number in range(16):
            send(number)
        await until(lambda: len(answers) == 500, 20, "500 answers")
    assert receiver.connections == 16
    for number, result in answers.items():
        assert isinstance(result, Answered)
        assert result.body == b"%08d" % number


async def test_healthy_receivers_are_not_delayed_by_any_of_the_others(harness: Harness) -> None:
    scripts = [
        adversaries.hang,
        adversaries.deaf,
        adversaries.drip(b"", b"HTTP/1.1 200 OK\r\n" * 10, 0.02),
        adversaries.endless_interim(0.02),
        adversaries.endless(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n", b"x" * 65_536),
        adversaries.answer_and_reset(b"HTTP/1.1 200"),
    ]
    bad = [Adversary(script) for script in scripts]
    async with Adversary(adversaries.answer(OK)) as good:
        for receiver in bad:
            await receiver.__aenter__()
        waiting = [harness.start(harness.destination(each.port), REQUEST, 0.4) for each in bad for _ in range(10)]
        durations = [(await harness.answered(harness.destination(good.port))).duration_ms for _ in range(100)]
        results = await asyncio.gather(*waiting)
        for receiver in bad:
            await receiver.__aexit__(None, None, None)
    assert sorted(durations)[50] < 100
    assert max(result.duration_ms for result in results) < 2_500
    assert {result.error for result in results if isinstance(result, Failed)} == {"deadline", "reset"}


async def test_close_waits_for_what_is_in_flight_and_takes_no_more(harness: Harness) -> None:
    release = asyncio.Event()

    async def answer_later(peer: Peer) -> None:
        await peer.request()
        await release.wait()
        await peer.say(OK)

    async with Adversary(answer_later) as receiver:
        destination = harness.destination(receiver.port)
        result = harness.start(destination)
        await receiver.arrived.wait()
        closing = asyncio.ensure_future(harness.sender.close(10))
        release.set()
        assert isinstance(await result, Answered)
        await closing
        with pytest.raises(SenderClosedError):
            harness.sender.send(destination, REQUEST, 1, lambda _: None)


async def test_close_ends_what_outlasts_the_grace(harness: Harness) -> None:
    with adversaries.blackhole() as port:
        async with Adversary(adversaries.hang) as receiver, Adversary(adversaries.answer(OK)) as good:
            await harness.answered(harness.destination(good.port))
            waiting = [harness.start(harness.destination(each)) for each in (receiver.port, port)]
            await receiver.arrived.wait()
            await harness.sender.close(0.05)
            for result in waiting:
                failed = result.result()
                assert isinstance(failed, Failed)
                assert failed.error == "reset"
            await until(lambda: receiver.closed_connections == good.closed_connections == 1, 5, "our close")


async def test_no_socket_is_left_behind(harness: Harness) -> None:
    def sockets() -> int:
        # The directory's own descriptor is gone when it comes to be read.
        links = [fd for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
        return sum(str(fd.readlink()).startswith("socket:") for fd in links)

    before = sockets()
    with adversaries.blackhole() as port:
        async with Adversary(adversaries.hang) as receiver, Harness(Limits(tick_seconds=0.01)) as own:
            waiting = [own.start(own.destination(each), REQUEST, 0.1) for each in (receiver.port, port) * 10]
            await asyncio.gather(*waiting)
    await until(lambda: sockets() == before, 5, "the sockets' end")
