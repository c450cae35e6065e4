"""The services of the shop: processes built on `receivers`, each with a subscriber and an endpoint at the gateway."""

import socket
from collections.abc import Mapping

from gateway.cli import programs
from gateway.cli.child import Child, Program
from gateway.cli.demo.api import Api
from gateway.cli.demo.feed import Feed
from gateway.cli.keeping import Keeping
from receivers import generate_secret

HOST = "127.0.0.1"
SERVICE = ("-m", "receivers.examples.shop")
RETRY_SCHEDULE = (1, 1, 2)
"""Seconds; the default schedule begins with 5 s and a minute, too long for a story."""
START_SECONDS = 15.0


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Shop:
    """Starts and stops services. What they say goes to `feed`."""

    def __init__(self, api: Api, keeping: Keeping, environ: Mapping[str, str]) -> None:
        self.feed = Feed()
        self.ports: dict[str, int] = {}
        self._api = api
        self._keeping = keeping
        self._environ = environ
        self._secrets: dict[str, str] = {}
        self._children: dict[str, Child] = {}

    async def join(self, name: str) -> None:
        """Register the service at the gateway and start it; a registration of an earlier run is taken over."""
        self.ports[name] = free_port()
        await self._api.put(f"/v1/subscribers/{name}", {"kind": "internal", "name": f"The shop's {name}"})
        path = f"/v1/endpoints/{name}"
        endpoint = {
            "url": f"http://{HOST}:{self.ports[name]}/",
            "event_types": ["order.*"],
            "description": f"{name}, a service of the demo",
            "retry_schedule": list(RETRY_SCHEDULE),
        }
        known = await self._api.find(path) is not None
        created = {} if known else {"subscriber": name, "secret": generate_secret()}
        await self._api.put(path, {**endpoint, **created})
        self._secrets[name] = (await self._api.get(f"{path}/secret"))["secret"]
        await self.open(name)

    async def leave(self, name: str) -> None:
        """Forget a service of an earlier run."""
        await self._api.delete(f"/v1/subscribers/{name}")

    async def open(self, name: str) -> None:
        """Start the service and wait until its port is open."""
        await self._start(name)
        await self._listening(name)

    async def close(self, name: str) -> None:
        """Stop the service: nobody listens on its port any more."""
        await self._keeping.stop(self._children.pop(name))

    async def hold(self, name: str) -> None:
        """Start the service without opening its port."""
        await self._start(name, "--hold")
        await self.feed.take(lambda line: line.get("service") == name and line.get("outcome") == "held", START_SECONDS)

    async def release(self, name: str) -> None:
        """Open the port of a service on hold."""
        await self._children[name].say("open")
        await self._listening(name)

    async def _start(self, name: str, *options: str) -> None:
        command = programs.python((*SERVICE, "--name", name, "--port", str(self.ports[name]), *options))
        env = {**self._environ, "HOOKLINE_SECRET": self._secrets[name], "PYTHONUNBUFFERED": "1"}
        program = Program(name, command, env, grace_seconds=5.0, on_line=self.feed.hear, listens=bool(options))
        [self._children[name]] = await self._keeping.start(program)

    async def _listening(self, name: str) -> None:
        await self.feed.take(
            lambda line: line.get("service") == name and line.get("outcome") == "listening", START_SECONDS
        )
