"""Calls of handlers without a request around them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.api.call import Call
from gateway.model.api_key import ApiKey, Scope
from tests.support.api_rig import Rig
from tests.support.asgi import Client


@contextlib.asynccontextmanager
async def call_of(rig: Rig, *scopes: Scope, subscriber: str | None = None) -> AsyncIterator[Call]:
    """A call on the rig's services by a key with these scopes."""
    key = ApiKey("key_1", "test", scopes, 0, subscriber)
    async with asyncio.timeout(None) as patience:
        yield Call(rig.services, key, "req_1", {}, {}, {}, Client().receive, patience)
