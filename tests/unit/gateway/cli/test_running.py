"""The end of a run, and what is said of a death."""

import asyncio
import io
from pathlib import Path

import pytest

from gateway.cli import console as look
from gateway.cli import running
from gateway.cli.child import Ended


def told(**facts: object) -> str:
    file = io.StringIO()
    ended = {"name": "gateway", "how": "was killed by SIGKILL", "last_line": "", "log": Path("/x/gateway.log")}
    running.tell_on(look.make(file))(Ended(**{**ended, "wait_seconds": 0.5, **facts}))  # type: ignore[arg-type]  # facts of a test
    return file.getvalue()


def test_a_death_is_one_line_with_the_log() -> None:
    assert told() == "  gateway was killed by SIGKILL, starts again in 0.5 s  log: /x/gateway.log\n"


def test_its_last_words_are_repeated_and_harmless() -> None:
    line = told(last_line='{"level":"error","event":"store.lost","error":"\\u001b[2J"}')
    assert line == (
        "  gateway was killed by SIGKILL, starts again in 0.5 s  store.lost: \\x1b[2J  log: /x/gateway.log\n"
    )


async def done() -> int:
    return 3


async def never() -> int:
    await asyncio.Event().wait()
    return 0


async def test_work_that_is_done_gives_its_code() -> None:
    assert await running.until(done(), asyncio.Event()) == 3


async def test_a_signal_cancels_the_work() -> None:
    stop = asyncio.Event()
    stop.set()
    assert await running.until(never(), stop) is None


async def test_what_the_work_raises_is_raised() -> None:
    async def broken() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await running.until(broken(), asyncio.Event())
