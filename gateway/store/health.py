"""How endpoints do: dispatchers count in memory and report in batches; the API reads.

    healthy --failure--> failing --first dead letter, half of the time: the owner is told, once each--
            <--success--         --the whole time--> disabled as failing --a probe succeeds--> healthy

One script merges the reports, warns and disables, so that no success between looking and disabling is overlooked.
Nothing is reported per attempt. An endpoint fails since its first failure after the last success; one delivery that
dies among others that get through makes no endpoint failing.
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

BATCH = 32
PAGE = 1_000
_HEAD = struct.Struct(">IQQQB")
_KEYS = (
    RegistryKeys.health,
    RegistryKeys.endpoints,
    RegistryKeys.numbers,
    RegistryKeys.outbox,
    RegistryKeys.changes,
)
_PROBED_KEYS = (
    RegistryKeys.endpoints,
    RegistryKeys.health,
    RegistryKeys.numbers,
    RegistryKeys.outbox,
    RegistryKeys.changes,
)


class HealthReport(msgspec.Struct, frozen=True):
    """What one dispatcher saw of one endpoint since its last report; times are store milliseconds, 0 for none.

    `first_failure_ms` and `failures_since_success` count from the last success inside the report, if there is one.
    `dead_ms` is when the delivery of `last_failure` became a dead letter.
    """

    number: int
    endpoint_id: str
    successes: int = 0
    failures_since_success: int = 0
    first_failure_ms: int = 0
    last_success_ms: int = 0
    last_failure: LastFailure | None = None
    dead_ms: int = 0


def _failure(last: LastFailure | None) -> tuple[int, bytes]:
    return (last.at_ms, msgspec.json.encode(last)) if last else (0, b"")


def unpack(value: bytes) -> Health:
    """A value as health.lua writes it."""
    failures, since, success, _, _ = _HEAD.unpack_from(value)
    last = value[_HEAD.size :]
    return Health(
        failures, since or None, success or None, msgspec.json.decode(last, type=LastFailure) if last else None
    )


async def disable_now(
    redis: Redis, endpoint_id: str, reason: DisabledReason, at_ms: int, last_failure: LastFailure | None
) -> bool:
    """Disable one endpoint; False when there is none, or it is disabled already for another reason or since then."""
    item = (endpoint_id, 0, REASONS.index(reason), 0, 0, 0, 0, *_failure(last_failure), 0)
    return bool(await scripts.load("health")(redis, _KEYS, (b"", at_ms, 0, *item)))


async def enable_probed(redis: Redis, endpoint_id: str, disabled_ms: int, now_ms: int, delivery: str) -> bool:
    """Enable an endpoint because a probe got through; False unless it is still disabled as failing since then.

    `delivery` is the id of the delivery that was sent. Leaves an entry for the outbox and forgets the failures.
    """
    args = (endpoint_id, disabled_ms, now_ms, delivery)
    return bool(await scripts.load("probed")(redis, _PROBED_KEYS, args))


class HealthStore:
    """Health of all endpoints."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def report(self, reports: Sequence[HealthReport], disable_after_seconds: int, now_ms: int) -> list[str]:
        """Merge the reports, warn the owners; the ids of the endpoints that are now disabled as `failing`.

        `now_ms` is store time. Reports of endpoints that were deleted are dropped.
        """
        disabled: list[str] = []
        for start in range(0, len(reports), BATCH):
            args: list[scripts.Argument] = [secrets.token_bytes(8), now_ms, disable_after_seconds * 1_000]
            for report in reports[start : start + BATCH]:
                args += (report.endpoint_id, report.number, 0, report.successes, report.failures_since_success)
                args += (
                    report.first_failure_ms,
                    report.last_success_ms,
                    *_failure(report.last_failure),
                    report.dead_ms,
                )
            answer = await scripts.load("health")(self._redis, _KEYS, args)
            disabled += [endpoint.decode() for endpoint in answer]
        return list(dict.fromkeys(disabled))

    async def get(self, numbers: Iterable[int]) -> dict[int, Health]:
        """Health by endpoint number; one without attempts is missing."""
        wanted = list(dict.fromkeys(numbers))
        found: dict[int, Health] = {}
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            values: Any = await self._redis.hmget(RegistryKeys.health, [str(number) for number in page])
            found |= {number: unpack(value) for number, value in zip(page, values, strict=True) if value}
        return found
