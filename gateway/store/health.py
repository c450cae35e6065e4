"""How endpoints do: dispatchers count in memory and report in batches; the API reads.

One script merges the reports and disables an endpoint that has failed for too long, so that no success between
looking and disabling is overlooked. Nothing is reported per attempt.
"""

import secrets
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway.model.endpoint import DisabledReason, Health, LastFailure
from gateway.store import scripts
from gateway.store.keys import RegistryKeys
from gateway.store.registry_values import REASONS

BATCH = 128
_HEAD = struct.Struct(">IQQQ")
_KEYS = (
    RegistryKeys.health,
    RegistryKeys.endpoints,
    RegistryKeys.numbers,
    RegistryKeys.outbox,
    RegistryKeys.changes,
)


class HealthReport(msgspec.Struct, frozen=True):
    """What one dispatcher saw of one endpoint since its last report; times are store milliseconds, 0 for none.

    `first_failure_ms` and `failures_since_success` count from the last success inside the report, if there is one.
    """

    number: int
    endpoint_id: str
    successes: int = 0
    failures_since_success: int = 0
    first_failure_ms: int = 0
    last_success_ms: int = 0
    last_failure: LastFailure | None = None


def _failure(last: LastFailure | None) -> tuple[int, bytes]:
    return (last.at_ms, msgspec.json.encode(last)) if last else (0, b"")


def unpack(value: bytes) -> Health:
    """A value as health.lua writes it."""
    failures, since, success, _ = _HEAD.unpack_from(value)
    last = value[_HEAD.size :]
    return Health(
        failures, since or None, success or None, msgspec.json.decode(last, type=LastFailure) if last else None
    )


async def disable_now(
    redis: Redis, endpoint_id: str, reason: DisabledReason, at_ms: int, last_failure: LastFailure | None
) -> bool:
    """Disable one endpoint; False when there is none, or it is disabled already for another reason or since then."""
    item = (endpoint_id, 0, REASONS.index(reason), 0, 0, 0, 0, *_failure(last_failure))
    return bool(await scripts.load("health")(redis, _KEYS, (b"", at_ms, 0, *item)))


class HealthStore:
    """Health of all endpoints."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def report(self, reports: Sequence[HealthReport], disable_after_seconds: int, now_ms: int) -> list[str]:
        """Merge the reports; the ids of the endpoints that are now disabled as `failing`.

        `now_ms` is store time. Reports of endpoints that were deleted are dropped.
        """
        disabled: list[str] = []
        for start in range(0, len(reports), BATCH):
            args: list[scripts.Argument] = [secrets.token_bytes(8), now_ms, disable_after_seconds * 1_000]
            for report in reports[start : start + BATCH]:
                args += (report.endpoint_id, report.number, 0, report.successes, report.failures_since_success)
                args += (report.first_failure_ms, report.last_success_ms, *_failure(report.last_failure))
            answer = await scripts.load("health")(self._redis, _KEYS, args)
            disabled += [endpoint.decode() for endpoint in answer]
        return list(dict.fromkeys(disabled))

    async def get(self, numbers: Iterable[int]) -> dict[int, Health]:
        """Health by endpoint number; one without attempts is missing."""
        wanted = list(dict.fromkeys(numbers))
        if not wanted:
            return {}
        values: Any = await self._redis.hmget(RegistryKeys.health, [str(number) for number in wanted])
        return {number: unpack(value) for number, value in zip(wanted, values, strict=True) if value}
