"""What services say, taken by the story or shown live."""

import asyncio
from typing import Any

import pytest

from gateway.cli.demo.feed import Feed


def said_by(service: str) -> Any:
    return lambda line: line.get("service") == service


async def test_a_line_said_before_is_taken_at_once_and_only_once() -> None:
    feed = Feed()
    feed.hear('{"service":"payments","outcome":"handled"}')
    assert (await feed.take(said_by("payments"), 1))["outcome"] == "handled"
    with pytest.raises(TimeoutError):
        await feed.take(said_by("payments"), 0.01)


async def test_a_line_said_later_is_waited_for_and_others_are_kept() -> None:
    feed = Feed()
    taking = asyncio.create_task(feed.take(said_by("shipping"), 5))
    feed.hear('{"service":"payments"}')
    feed.hear('{"service":"shipping"}')
    assert await taking == {"service": "shipping"}
    assert await feed.take(said_by("payments"), 1) == {"service": "payments"}


@pytest.mark.parametrize("text", ["", "Traceback", "[1]", '"text"', "{"])
async def test_what_is_no_object_is_ignored(text: str) -> None:
    feed = Feed()
    feed.hear(text)
    with pytest.raises(TimeoutError):
        await feed.take(lambda _: True, 0.01)


def test_live_shows_what_was_left_and_then_each_line() -> None:
    feed = Feed()
    feed.hear('{"n":1}')
    shown: list[Any] = []
    feed.go_live(shown.append)
    feed.hear('{"n":2}')
    assert shown == [{"n": 1}, {"n": 2}]
