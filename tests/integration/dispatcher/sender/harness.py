"""A sender with its surroundings, and the proof that each attempt got exactly one result."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dispatcher.sender import Answered, Destination, Failed, Limits, Result, Sender
from gateway.clock import SystemClock
from gateway.egress import Checks, Egress, Kind, ResolverLimits
from gateway.egress.proxies import parse

REQUEST = b"POST /hook HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody"


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as listening:
        listening.bind(("::1", 0))
        return True
    return False


class Harness:
    """`names` is what the resolver knows; loopback is allowed for internal destinations."""

    def __init__(
        self,
        limits: Limits | None = None,
        ca_file: Path | None = None,
        *,
        proxy: str = "",
        checks: Checks = "ours",
        allow: Sequence[str] = ("127.0.0.0/8",),
    ) -> None:
        self.names: dict[str, list[str]] = {"receiver.example": ["127.0.0.1"]}
        self.egress = Egress(
            allow,
            SystemClock(),
            self.look_up,
            ResolverLimits(positive_seconds=0, negative_seconds=0),
            proxy=parse(proxy) if proxy else None,
            checks=checks,
        )
        self._limits = limits or Limits(tick_seconds=0.01)
        self._ca_file = ca_file
        self._results: list[list[Result]] = []
        self.sender: Sender

    async def __aenter__(self) -> Self:
        self.sender = Sender(self.egress, SystemClock(), ca_file=self._ca_file, limits=self._limits)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.sender.close(0)
        self.egress.close()
        if error is None:
            assert [len(results) for results in self._results] == [1] * len(self._results)

    def look_up(self, name: str) -> list[str]:
        """The resolver's lookup."""
        if name not in self.names:
            raise OSError("Name or service not known")
        return self.names[name]

    def destination(
        self, port: int, scheme: str = "http", host: str = "127.0.0.1", kind: Kind = "internal"
    ) -> Destination:
        return Destination(self.egress.check_url(f"{scheme}://{host}:{port}/hook", kind), kind)

    def start(
        self, destination: Destination, request: bytes | Sequence[bytes] = REQUEST, deadline_seconds: float = 10.0
    ) -> "asyncio.Future[Result]":
        """Send without waiting for the result."""
        results: list[Result] = []
        self._results.append(results)
        first: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            results.append(result)
            if not first.done():
                first.set_result(result)

        self.sender.send(destination, request, deadline_seconds, done)
        return first

    async def answered(
        self, destination: Destination, request: bytes | Sequence[bytes] = REQUEST, deadline_seconds: float = 10.0
    ) -> Answered:
        """Send; anything but an answer fails the test."""
        result = await self.start(destination, request, deadline_seconds)
        assert isinstance(result, Answered), result
        return result

    async def failed(
        self, destination: Destination, request: bytes | Sequence[bytes] = REQUEST, deadline_seconds: float = 10.0
    ) -> Failed:
        """Send; an answer fails the test."""
        result = await self.start(destination, request, deadline_seconds)
        assert isinstance(result, Failed), result
        return result
