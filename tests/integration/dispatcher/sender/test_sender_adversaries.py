"""Every receiver that can hurt a sender, from a process of its own, many attempts at a time."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.sender import Answered, Limits, Result
from tests.integration.dispatcher.sender.harness import Harness
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary
from tests.support.adversary_service import BLACKHOLE, CATALOGUE, NAMES, AdversaryService
from tests.support.process import resident_bytes

AT_A_TIME = 48
DEADLINE = 0.8
LATE_MS = 1_000
"""What a busy machine of two cores may add."""
LARGE = b"POST /hook HTTP/1.1\r\nhost: test\r\ncontent-length: 262144\r\n\r\n" + bytes(262_144)
GROWTH_BYTES = 24 << 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdversaryService]:
    with AdversaryService(tmp_path_factory.mktemp("adversaries")) as service:
        yield service


def ending(result: Result) -> str:
    return "answered" if isinstance(result, Answered) else result.error


def wanted(name: str) -> tuple[str, bool]:
    return ("connect_timeout", True) if name == BLACKHOLE else CATALOGUE[name][1:]


async def attack(harness: Harness, port: int) -> list[Result]:
    destination = harness.destination(port)
    return await asyncio.gather(*(harness.start(destination, LARGE, DEADLINE) for _ in range(AT_A_TIME)))


@pytest.mark.parametrize("name", NAMES)
async def test_an_attempt_ends_at_the_deadline_or_earlier_with_the_right_word(
    name: str, harness: Harness, service: AdversaryService
) -> None:
    endings, at_deadline = wanted(name)
    async with Adversary(adversaries.answer(OK)) as healthy:
        attacked = asyncio.ensure_future(attack(harness, service.ports[name]))
        for _ in range(20):
            answered = await harness.answered(harness.destination(healthy.port))
            assert answered.duration_ms < LATE_MS
        results = await attacked
    assert {ending(result) for result in results} <= set(endings.split())
    assert max(result.duration_ms for result in results) < DEADLINE * 1_000 + LATE_MS
    if at_deadline:
        assert min(result.duration_ms for result in results) >= DEADLINE * 1_000
    for result in results:
        if isinstance(result, Answered):
            assert len(result.body) <= Limits().success_body_bytes


async def test_memory_is_flat_whatever_all_of_them_send(harness: Harness, service: AdversaryService) -> None:
    sizes = []
    for _ in range(4):
        await asyncio.gather(*(attack(harness, service.ports[name]) for name in NAMES))
        sizes.append(resident_bytes(os.getpid()))
    assert max(sizes) - sizes[0] < GROWTH_BYTES


async def test_a_bomb_stays_as_it_came(harness: Harness, service: AdversaryService) -> None:
    answered = await harness.answered(harness.destination(service.ports["gzip_bomb"]))
    assert answered.body.startswith(b"\x1f\x8b")
    assert (len(answered.body), answered.body_truncated) == (256, True)


def test_the_service_is_another_process(service: AdversaryService, tmp_path: Path) -> None:
    assert service.process.pid != os.getpid()
    assert not list(tmp_path.iterdir())
