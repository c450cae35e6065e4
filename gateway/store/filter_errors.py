"""How often an endpoint's filter had no answer, and why: dispatchers count in memory and report, the API reads.

What was counted belongs to one filter: once the endpoint has another one, it is nothing any more.
"""

import hashlib
import secrets
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint
from gateway.store import scripts
from gateway.store.keys import RegistryKeys

BATCH = 128
PAGE = 1_000
LONGEST_REASON = 250
_KEYS = (RegistryKeys.filter_errors, RegistryKeys.endpoints)
_HEAD = struct.Struct(">8sIQ")


class FilterErrors(NamedTuple):
    """Since the filter is as it is: how often, the last reason, and when in store milliseconds."""

    times: int
    last_error: str
    last_ms: int


class Totals(NamedTuple):
    """Endpoints whose filters had no answer at least once, and how often that was."""

    endpoints: int
    times: int


def digest(text: str) -> bytes:
    """What tells one filter of an endpoint from the next."""
    return hashlib.sha256(text.encode()).digest()[:8]


async def report(redis: Redis, found: Sequence[tuple[Endpoint, FilterErrors]]) -> None:
    """Add what one dispatcher saw since its last report; endpoints that are gone are left out. Raises redis errors."""
    for start in range(0, len(found), BATCH):
        args: list[scripts.Argument] = [secrets.token_bytes(8)]
        for endpoint, errors in found[start : start + BATCH]:
            why = errors.last_error[:LONGEST_REASON].encode(errors="replace")
            args += (endpoint.id, endpoint.number, digest(endpoint.filter), errors.times, errors.last_ms, why)
        await scripts.load("filter_errors")(redis, _KEYS, args)


async def read(redis: Redis, endpoints: Iterable[Endpoint]) -> dict[int, FilterErrors]:
    """By endpoint number; one whose filter always had an answer, or that has none, is missing."""
    filtered = {endpoint.number: endpoint for endpoint in endpoints if endpoint.filter}
    numbers = list(filtered)
    found: dict[int, FilterErrors] = {}
    for start in range(0, len(numbers), PAGE):
        page = numbers[start : start + PAGE]
        values: Any = await redis.hmget(RegistryKeys.filter_errors, [str(number) for number in page])
        for number, value in zip(page, values, strict=True):
            if value and value[:8] == digest(filtered[number].filter):
                _, times, last_ms = _HEAD.unpack_from(value)
                found[number] = FilterErrors(times, value[_HEAD.size :].decode(), last_ms)
    return found


async def totals(redis: Redis) -> Totals:
    """Of all endpoints; also what was counted for a filter that was replaced and has not failed since."""
    times = [
        _HEAD.unpack_from(value)[1]
        async for number, value in redis.hscan_iter(RegistryKeys.filter_errors, count=PAGE)
        if number != b"reports"
    ]
    return Totals(len(times), sum(times))
