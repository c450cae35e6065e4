"""Every route while the store is down, hung, full or read-only: 503 with Retry-After, soon; then everything goes on."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.api.openapi import Operation
from gateway.api.routes import HOT, OPERATIONS
from gateway.store import durability
from tests.support.api_rig import Rig, opened
from tests.support.valkey import ValkeyServer

ANSWER_SECONDS = 6.0
PUBLISHING_SECONDS = 8.0
"""A flush is repeated before its outcome counts as unknown."""
EVENT = {"type": "a", "data": 1, "id": "one"}
BODIES: dict[str, object] = {
    "publish_event": EVENT,
    "publish_batch": [EVENT],
    "create_subscriber": {"kind": "external"},
    "put_subscriber": {"kind": "internal"},
    "patch_subscriber": {"name": "x"},
    "create_endpoint": {"url": "http://127.0.0.1:8999/"},
    "put_endpoint": {"url": "http://127.0.0.1:8999/", "description": "x"},
    "patch_endpoint": {"description": "y"},
    "create_replay": {"endpoint": "e", "since": "2026-01-01T00:00:00Z"},
    "redeliver_event": {"endpoint": "e"},
    "test_filter": {"filter": "true"},
}
IDS = {"subscribers": "shop", "endpoints": "e", "deliveries": "dlv_" + "0" * 31 + "1"}
"""Ids that only the store can say to be unknown: a malformed one is 404 without asking it."""
WITH_KEY = [operation for operation in OPERATIONS if operation.scope is not None]
_WRITE_NOTHING = {"redeliver_delivery", "redeliver_event", "cancel_replay", "resume_endpoint", "test_filter"}
"""What there is nothing to write for here: unknown ids, an endpoint that is not paused, a filter that is only tried."""
WRITES = [operation for operation in WITH_KEY if operation.method != "GET" and operation.name not in _WRITE_NOTHING]


@pytest.fixture
async def rig(valkey_server: ValkeyServer, tmp_path: Path) -> AsyncIterator[Rig]:
    """A gateway with a subscriber `shop` and its endpoint `e`, on a store of its own."""
    async with opened(valkey_server.url, tmp_path) as found:
        await found.internal("shop", "e")
        yield found


async def ask(rig: Rig, operation: Operation) -> tuple[httpx.Response, float]:
    """The answer of an operation, and the seconds that it took."""
    kind = operation.path.split("/")[2]
    path = operation.path.replace("{id}", IDS.get(kind, "some-id"))
    begun = time.monotonic()
    answer = await rig.call(operation.method, path, json=BODIES.get(operation.name))
    return answer, time.monotonic() - begun


def check(operation: Operation, answer: httpx.Response, seconds: float) -> None:
    """A 503 that says when to come again, soon enough for an impatient client; a batch may say it of its items."""
    if operation.name == "publish_batch" and answer.status_code == 200:
        assert [result["status"] for result in answer.json()["results"]] == [503]
    else:
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True), operation.name
    limit = PUBLISHING_SECONDS if operation in HOT else ANSWER_SECONDS
    assert seconds < limit, f"{operation.name} took {seconds:.1f} s"


async def check_all(rig: Rig, operations: list[Operation]) -> None:
    """All at once."""
    answers = await asyncio.gather(*(ask(rig, operation) for operation in operations))
    for operation, (answer, seconds) in zip(operations, answers, strict=True):
        check(operation, answer, seconds)


async def test_down(rig: Rig, valkey_server: ValkeyServer) -> None:
    valkey_server.kill9()
    await check_all(rig, WITH_KEY)
    valkey_server.restart()
    assert (await rig.get("/v1/endpoints/e")).status_code == 200
    assert (await rig.post("/v1/events", EVENT)).status_code == 202


async def test_hung(rig: Rig, valkey_server: ValkeyServer) -> None:
    valkey_server.pause()
    try:
        await check_all(rig, WITH_KEY)
    finally:
        valkey_server.resume()
    assert (await rig.get("/v1/endpoints/e")).status_code == 200
    assert (await rig.post("/v1/events", EVENT)).status_code == 202


async def test_read_only(rig: Rig, valkey_server: ValkeyServer) -> None:
    with ValkeyServer() as master:
        await rig.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        await check_all(rig, WRITES)
        assert (await rig.get("/readyz", "")).status_code == 503
        await rig.redis.execute_command("REPLICAOF", "NO", "ONE")
        assert master.running
    assert (await rig.post("/v1/events", EVENT)).status_code == 202


async def test_full(rig: Rig) -> None:
    used = (await durability.memory(rig.redis)).used
    await rig.redis.config_set("maxmemory", used * 100 // 95)
    await rig.services.fullness.run_once()
    growing = [
        operation for operation in WRITES if operation.name in {"publish_event", "publish_batch", "test_endpoint"}
    ]
    await check_all(rig, growing)
    assert (await rig.get("/v1/endpoints/e")).status_code == 200
    assert (await rig.patch("/v1/endpoints/e", {"description": "still"})).status_code == 200
    await rig.redis.config_set("maxmemory", 100_000_000)
    await rig.services.fullness.run_once()
    assert (await rig.post("/v1/events", EVENT)).status_code == 202
