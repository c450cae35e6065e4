"""The gateway as one ASGI callable: edge rules, then the hot routes, then Starlette's router for everything else.

    Edge --(method, path) in hot--> publish, bare ASGI
         --else--> Router -> Resource: method, key, scope, query -> handler(call) -> answer

It answers from the first moment: while the store cannot be reached it says so (`/readyz` and every route that needs
it: 503), keeps trying, and goes on by itself. What does not pass by itself (a store that loses data, another partition
count, no encryption key) ends it: `failure` is set.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from starlette.routing import Route as PathRoute
from starlette.routing import Router

from gateway import tasks
from gateway.api.body import Receive
from gateway.api.http1.direct import Prepared
from gateway.api.limits import Begin, Edge
from gateway.api.openapi import Operation, Route
from gateway.api.resource import Resource, no_such_path
from gateway.api.routes import HOT, ROUTES
from gateway.api.services import Services
from gateway.clock import Clock
from gateway.problems import Send
from gateway.store import connection

RETRY_SECONDS = 0.5
log = logging.getLogger("hookline.gateway")


class HotRoute(Protocol):
    """An ASGI callable ahead of routing that may know a shorter way."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        ...

    def prepare(self, query: bytes, headers: Mapping[bytes, bytes]) -> Begin | None:
        """What to do with the bodies of requests with this head; None: nothing but the call."""
        ...


class Opened(NamedTuple):
    """What exists once the store answers: the services, the hot routes by (method, path), what runs beside."""

    services: Services
    hot: Mapping[tuple[str, str], HotRoute]
    loops: Sequence[Callable[[], Coroutine[Any, Any, None]]]


Open = Callable[[], AbstractAsyncContextManager[Opened]]


class Gateway:
    """The application. `routes` are behind the router; `hot` are the operations that `open_gateway` will serve."""

    def __init__(
        self, open_gateway: Open, clock: Clock, routes: Sequence[Route], hot: Sequence[Operation] = ()
    ) -> None:
        self._open = open_gateway
        self._clock = clock
        self._opened: Opened | None = None
        self._held = contextlib.AsyncExitStack()
        self._edge = Edge(self._dispatch, frozenset(operation.path.encode() for operation in hot))
        self.router = Router(self._paths(routes, hot), redirect_slashes=False, default=no_such_path)
        self.failure: BaseException | None = None
        """why it can never work, or works no more"""
        self.ended = asyncio.Event()
        """set with `failure`"""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI 3: http and lifespan."""
        if scope["type"] == "http":
            await self._edge(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    def prepare(self, scope: MutableMapping[str, Any]) -> Prepared | None:
        """What is left to do for requests with this head on the direct way, see `http1.direct`."""
        hot = self._opened.hot.get((scope["method"], scope["path"])) if self._opened is not None else None
        return None if hot is None else self._edge.prepare(scope, hot.prepare)

    def current(self) -> Services | None:
        """The services; None until the store answered."""
        return self._opened.services if self._opened else None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        """Open at once if possible, else keep trying in the background; close at the end."""
        async with contextlib.AsyncExitStack() as self._held:
            if not await self._try_open() and self.failure is None:
                await self._held.enter_async_context(self._background(self._open_at_last()))
            try:
                yield self
            finally:
                self._opened = None

    async def _open_at_last(self) -> None:
        while self.failure is None:
            await self._clock.sleep(RETRY_SECONDS)
            if await self._try_open():
                return

    async def _try_open(self) -> bool:
        try:
            async with contextlib.AsyncExitStack() as stack:
                opened = await stack.enter_async_context(self._open())
                for loop in opened.loops:
                    await stack.enter_async_context(self._background(loop()))
                self._held.push_async_exit(stack.pop_all())
        except Exception as error:  # noqa: BLE001 - kept as `failure`, which the server says and ends with
            if connection.is_unavailable(error):
                log.warning("store.unavailable", extra={"error": str(error)[:200]})
            else:
                self._fail(error)
            return False
        self._opened = opened
        return True

    @contextlib.asynccontextmanager
    async def _background(self, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_end)
        try:
            yield
        finally:
            await tasks.end(task)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.ended.set()

    async def _dispatch(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if self._opened is not None:
            hot = self._opened.hot.get((scope["method"], scope["path"]))
            if hot is not None:
                await hot(scope, receive, send)
                return
        await self.router(scope, receive, send)

    def _paths(self, routes: Sequence[Route], hot: Sequence[Operation]) -> list[PathRoute]:
        found: dict[str, dict[str, Route]] = {operation.path: {} for operation in hot}
        for route in routes:
            found.setdefault(route.operation.path, {})[route.operation.method] = route
        hot_methods = [(operation.path, operation.method) for operation in hot]
        return [
            PathRoute(path, Resource(self.current, methods, [method for at, method in hot_methods if at == path]))
            for path, methods in found.items()
        ]

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.running():
            if self.failure is not None:
                await send({"type": "lifespan.startup.failed", "message": str(self.failure)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def create_app(open_gateway: Open, clock: Clock) -> Gateway:
    """The gateway with all its routes; `open_gateway` is `opening.open_gateway` with its arguments."""
    return Gateway(open_gateway, clock, ROUTES, HOT)
