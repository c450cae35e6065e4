"""One path of the API behind the router: picks the method, asks who calls, reads the query, calls, answers.

The order is fixed: a method that the path does not have (405), the key (401), its scope (403), the query (400), then
the handler. HEAD is GET without the body.

A store that hangs is an answer, too: 503 after `call.STORE_SECONDS`, not counting the time in which the body comes in.
"""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import msgspec

from gateway.api import auth
from gateway.api.body import Receive
from gateway.api.call import STORE_SECONDS, Answer, Call
from gateway.api.limits import Head
from gateway.api.openapi import Operation, Route
from gateway.api.query import parse_query
from gateway.api.services import Services
from gateway.model.api_key import ApiKey
from gateway.problems import Problem, Send

NOBODY = ApiKey(id="", name="", scopes=())
"""The key of a call that needs none."""
Current = Callable[[], Services | None]
_encoder = msgspec.json.Encoder()


class Resource:
    """The ASGI callable of a path. `hot` are its methods that the edge dispatches before the router, once open."""

    def __init__(self, current: Current, routes: Mapping[str, Route], hot: Sequence[str] = ()) -> None:
        self._current = current
        self._routes = routes
        self._hot = hot
        methods = {*routes, *hot, *(("HEAD",) if "GET" in routes else ())}
        self.allow = ", ".join(sorted(methods))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request; Problem and errors of the store are for the edge."""
        method = scope["method"]
        if method in self._hot:
            raise Problem("store_unavailable", "the gateway has not reached the store yet")
        route = self._routes.get("GET" if method == "HEAD" else method)
        if route is None:
            raise Problem(
                "method_not_allowed", f"{method[:40]} is not a method of this path", headers={"allow": self.allow}
            )
        try:
            async with asyncio.timeout(STORE_SECONDS) as patience:
                found = await self._call(route, scope, receive, patience)
        except TimeoutError:
            raise Problem("store_unavailable", f"the store has not answered within {STORE_SECONDS:g} s") from None
        await answer(found, send, body=method != "HEAD")

    async def _call(
        self, route: Route, scope: MutableMapping[str, Any], receive: Receive, patience: asyncio.Timeout
    ) -> Answer:
        head: Head = scope["head"]
        services = self._current()
        key = await _identify(services, head, route.operation)
        query = parse_query(scope["query_string"], route.operation.query_names)
        path = scope["path_params"]
        return await route.handler(Call(services, key, head.request_id, path, query, head.headers, receive, patience))


async def _identify(services: Services | None, head: Head, operation: Operation) -> ApiKey:
    if operation.scope is None:
        return NOBODY
    if services is None:
        raise Problem("store_unavailable", "the gateway has not reached the store yet")
    key = await services.authenticator.identify(head.headers.get(b"authorization"))
    auth.require_scope(key, operation.scope)
    return key


async def answer(found: Answer, send: Send, *, body: bool = True) -> None:
    """Send an Answer; with `body` False only its head."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    raw = b""
    if isinstance(found.body, bytes):
        raw = found.body
    elif found.body is None:
        headers.pop("content-type")
    else:
        raw = _encoder.encode(found.body)
    headers |= found.headers
    if found.status != 204:
        headers["content-length"] = str(len(raw))
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": found.status, "headers": pairs})
    await send({"type": "http.response.body", "body": raw if body else b""})


async def no_such_path(*_request: Any) -> None:
    """What the router calls for a path that it does not have."""
    raise Problem("not_found", "no such path")
