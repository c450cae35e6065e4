"""Every receiver of `adversaries` that can hurt a sender, in a process of its own.

    python -m tests.support.adversary_service        # prints {name: port, ...} when all of them listen

    with AdversaryService(tmp_path) as service:
        ... register service.url("slow_body") ...

What each does to a sender is in `CATALOGUE`; it serves until it is killed. `SLOW_NAME` is a host name for which
`tests.support.slow_names` has an answer, after ten seconds.
"""

import asyncio
import contextlib
import gzip
import json
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.support import adversaries
from tests.support.adversaries import OK, Adversary, Script
from tests.support.process import Process
from tests.support.slow_names import SLOW_NAME

GIGABYTE = 1 << 30
SLUGGISH_SECONDS = 3.0
"""An answer that comes, and is good, but takes all slots of an endpoint that gets much."""
_HEAD = b"HTTP/1.1 200 OK\r\n"
_CHUNK = b"10000\r\n" + b"z" * 65_536 + b"\r\n"
_BOMB = gzip.compress(bytes(64 << 20), 9)


class Entry(NamedTuple):
    """What a receiver does, and how an attempt at it must end: `answered`, or the name of an error; one of several.

    `at_deadline`: not before the deadline.
    """

    script: Script
    ends: str
    at_deadline: bool = False


CATALOGUE: dict[str, Entry] = {
    "deaf": Entry(adversaries.deaf, "deadline", at_deadline=True),
    "hang": Entry(adversaries.hang, "deadline", at_deadline=True),
    "late": Entry(adversaries.answer_after(15.0, OK), "deadline", at_deadline=True),
    "sluggish": Entry(adversaries.answer_after(SLUGGISH_SECONDS, OK), "deadline", at_deadline=True),
    "slow_reader": Entry(adversaries.slow_reader(1.0), "deadline", at_deadline=True),
    "slow_head": Entry(adversaries.drip(b"H", OK[1:], 1.0), "deadline", at_deadline=True),
    "slow_body": Entry(
        adversaries.drip(_HEAD + b"content-length: 900\r\n\r\n", b"x" * 900, 1.0), "deadline", at_deadline=True
    ),
    "slow_interim": Entry(adversaries.endless_interim(0.1), "deadline", at_deadline=True),
    "endless_interim": Entry(adversaries.endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 50), "head_too_large"),
    "endless_head": Entry(adversaries.endless(_HEAD, b"x-filler: " + b"x" * 1_000 + b"\r\n"), "head_too_large"),
    "long_head": Entry(
        adversaries.answer(_HEAD + b"x-filler: " + b"x" * 65_536 + b"\r\ncontent-length: 0\r\n\r\n"), "head_too_large"
    ),
    "endless_chunks": Entry(adversaries.endless(_HEAD + b"transfer-encoding: chunked\r\n\r\n", _CHUNK), "answered"),
    "endless_extension": Entry(
        adversaries.endless(_HEAD + b"transfer-encoding: chunked\r\n\r\n1;", b"e" * 65_536), "answered"
    ),
    "gigabyte": Entry(adversaries.endless(_HEAD + b"content-length: %d\r\n\r\n" % GIGABYTE, b"x" * 65_536), "answered"),
    "gzip_bomb": Entry(
        adversaries.answer(_HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(_BOMB) + _BOMB),
        "answered",
    ),
    "reset_at_once": Entry(adversaries.reset_at_once, "reset"),
    "answer_and_reset": Entry(adversaries.answer_and_reset(_HEAD + b"content-length: 9\r\n\r\nhalf"), "reset"),
    "answer_before_reading": Entry(adversaries.answer_before_reading(OK), "answered reset"),
    "garbage": Entry(adversaries.answer(b"SSH-2.0-OpenSSH_9.6\r\n"), "protocol"),
}
"""By name; `blackhole` and `slow_name` come on top, which are no scripts."""

BLACKHOLE = "blackhole"
NAMES = (*CATALOGUE, BLACKHOLE)


class AdversaryService:
    """The process with all of them."""

    def __init__(self, directory: Path) -> None:
        self.process = Process("adversaries", ["tests.support.adversary_service"], directory)
        self.ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        self.process.start()
        self.ports = self.process.first_json()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill9()

    def url(self, name: str) -> str:
        """What to register for one of `NAMES`, or for `slow_name`."""
        if name == "slow_name":
            return f"http://{SLOW_NAME}:{self.ports['hang']}/"
        return f"http://127.0.0.1:{self.ports[name]}/"


async def _serve() -> None:
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for name, entry in CATALOGUE.items():
            ports[name] = (await stack.enter_async_context(Adversary(entry.script))).port
        ports[BLACKHOLE] = stack.enter_context(adversaries.blackhole())
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
