"""The registry: subscribers and endpoints, small, in one slot of its own, kept in memory by whoever matches.

    create, put, update, disable, enable, delete --one script--> hash values + an entry per object in `changes`
    dispatcher, gateway <--changes_since(cursor)-- `changes`; truncated: load all, go on from the tail before

Invariants:
- an endpoint has a subscriber and that one's kind, which never changes: it decides what may be sent to it;
- an endpoint's number is never used twice and its name is kept after deletion, since records hold numbers only;
- every write is one script, and repeating it after a lost reply changes nothing and answers the same;
- what was written is in the change stream before the answer: a reader that reads the stream to its end after it read
  an event knows every endpoint that was answered before that event was accepted.

It refuses to judge URLs, patterns or secrets: that is the API's business.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.model import secret
from gateway.model.endpoint import DisabledReason, Endpoint, LastFailure
from gateway.model.subscriber import Kind, Subscriber
from gateway.store import errors, health, operational, scripts
from gateway.store import registry_values as values
from gateway.store.keys import RegistryKeys
from gateway.store.registry_reads import EndpointName, Meta, RegistryReader

MAX_ENDPOINTS_AT_ONCE = 256
_CREATE_KEYS = (
    RegistryKeys.meta,
    RegistryKeys.subscribers,
    RegistryKeys.endpoints,
    RegistryKeys.numbers,
    RegistryKeys.changes,
)
_UPDATE_KEYS = (
    RegistryKeys.endpoints,
    RegistryKeys.numbers,
    RegistryKeys.health,
    RegistryKeys.changes,
    RegistryKeys.breakers,
)
_DELETE_KEYS = (
    RegistryKeys.subscribers,
    RegistryKeys.endpoints,
    RegistryKeys.numbers,
    RegistryKeys.health,
    RegistryKeys.changes,
    RegistryKeys.breakers,
    RegistryKeys.filter_errors,
)


class Registry(RegistryReader):
    """Reads and writes the registry; `clock` gives the times of creation and change."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        super().__init__(redis)
        self._clock = clock

    async def bootstrap(self, partitions: int) -> Meta:
        """Fix the deployment's facts at its first start; later starts read them.

        Raises PartitionCountError when the deployment was made with another partition count.
        """
        keys = (RegistryKeys.meta, RegistryKeys.changes)
        args = (partitions, secrets.token_bytes(32))
        stored, cursor_key = await scripts.load("registry_bootstrap")(self._redis, keys, args)
        if int(stored) != partitions:
            raise errors.PartitionCountError(int(stored), partitions)
        return Meta(int(stored), cursor_key)

    async def create_subscriber(self, subscriber: Subscriber, endpoints: Sequence[Endpoint] = ()) -> Sequence[Endpoint]:
        """Create a subscriber with at most 256 endpoints, all or nothing; the endpoints as stored, with numbers.

        Raises AlreadyExists for the subscriber or one of the endpoints.
        """
        token = values.new_token()
        packed = values.pack_subscriber(self._new_subscriber(subscriber), token)
        return await self._create(token, subscriber.id, subscriber.kind, packed, endpoints)

    async def create_endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Create an endpoint of an existing subscriber; the endpoint as stored, with its number.

        Raises AlreadyExists, or SubscriberMissing when there is no such subscriber of that kind.
        """
        created = await self._create(values.new_token(), endpoint.subscriber, endpoint.kind, b"", (endpoint,))
        return created[0]

    async def _create(
        self, token: bytes, subscriber: str, kind: Kind, packed: bytes, endpoints: Sequence[Endpoint]
    ) -> list[Endpoint]:
        if len(endpoints) > MAX_ENDPOINTS_AT_ONCE or any(e.subscriber != subscriber for e in endpoints):
            raise ValueError(f"at most {MAX_ENDPOINTS_AT_ONCE} endpoints, all of subscriber {subscriber}")
        now = self._clock.wall_ms()
        args: list[scripts.Argument] = [token, subscriber, values.kind_byte(kind), packed]
        for endpoint in endpoints:
            created_ms = endpoint.created_ms or now
            new = msgspec.structs.replace(
                endpoint, number=0, revision=1, kind=kind, created_ms=created_ms, updated_ms=created_ms
            )
            args += (endpoint.id, values.pack_endpoint(new, token))
        outcome, *stored = await scripts.load("registry_create")(self._redis, _CREATE_KEYS, args)
        if outcome == b"subscriber_exists":
            raise errors.AlreadyExists("subscriber", subscriber)
        if outcome == b"endpoint_exists":
            raise errors.AlreadyExists("endpoint", stored[0].decode())
        if outcome == b"subscriber_missing":
            raise errors.SubscriberMissing(subscriber)
        if None in stored:
            raise errors.Conflict("subscriber", subscriber)
        return [values.unpack_endpoint(value) for value in stored]

    def _new_subscriber(self, subscriber: Subscriber) -> Subscriber:
        return msgspec.structs.replace(subscriber, created_ms=subscriber.created_ms or self._clock.wall_ms())

    async def put_subscriber(self, subscriber: Subscriber, expected: Subscriber | None = None) -> bool:
        """Create it (True), or replace its name and metadata (False); the time of creation stays.

        With `expected`, a subscriber as it was read, raises Conflict when it is another one now. Raises KindFixed.
        """
        packed = values.pack_subscriber(self._new_subscriber(subscriber), values.new_token())
        replaced = values.subscriber_json(expected) if expected else b""
        keys = (RegistryKeys.subscribers, RegistryKeys.changes)
        answer = await scripts.load("registry_put_subscriber")(self._redis, keys, (subscriber.id, packed, replaced))
        if answer == b"kind_fixed":
            raise errors.KindFixed(subscriber.id)
        if answer == b"conflict":
            raise errors.Conflict("subscriber", subscriber.id)
        return bool(answer == b"created")

    async def delete_subscriber(self, subscriber_id: str) -> bool:
        """Remove it and its endpoints; False when there was none when this was called.

        One script up to 256 endpoints. More go in pieces, the subscriber with the last: after an error ask again.
        """
        if not await self._redis.hexists(RegistryKeys.subscribers, subscriber_id):
            return False
        script = scripts.load("registry_delete_subscriber")
        while await script(self._redis, _DELETE_KEYS, (subscriber_id,)):
            pass
        return True

    async def delete_endpoint(self, endpoint_id: str) -> bool:
        """Remove it; False when there was none when this was called."""
        if not await self._redis.hexists(RegistryKeys.endpoints, endpoint_id):
            return False
        await scripts.load("registry_delete_endpoint")(self._redis, _DELETE_KEYS, (endpoint_id,))
        return True

    async def update_endpoint(self, endpoint: Endpoint, expected_revision: int) -> Endpoint:
        """Replace the endpoint that was read with this revision; the endpoint as stored, without expired secrets.

        Number, kind, subscriber and revision are not taken from the caller. Enabling it this way forgets its failures;
        disabling it this way makes no operational event. Raises Conflict when it changed or went meanwhile.
        """
        now = self._clock.wall_ms()
        live = secret.live(endpoint.secrets, now)
        new = msgspec.structs.replace(endpoint, secrets=live, revision=expected_revision + 1, updated_ms=now)
        packed = values.pack_endpoint(new, bytes(values.TOKEN_BYTES))
        args = (endpoint.id, endpoint.subscriber, packed, expected_revision)
        stored = await scripts.load("registry_update_endpoint")(self._redis, _UPDATE_KEYS, args)
        if not stored:
            raise errors.Conflict("endpoint", endpoint.id)
        return values.unpack_endpoint(stored)

    async def disable(
        self, endpoint_id: str, reason: DisabledReason, at_ms: int, last_failure: LastFailure | None = None
    ) -> bool:
        """Disable it, if it is enabled; False when it is missing or was disabled before.

        `at_ms` is store time. As `gone` or `failing` it leaves an entry for `pending_operational`, with `last_failure`
        (its `delivery` is the one whose attempt was the reason) in it and in the endpoint's health.
        """
        return await health.disable_now(self._redis, endpoint_id, reason, at_ms, last_failure)

    async def enable(self, endpoint_id: str) -> Endpoint | None:
        """Enable it, if it is disabled, and forget its failures; the endpoint as stored, None when it is missing."""
        keys = (RegistryKeys.endpoints, RegistryKeys.health, RegistryKeys.changes, RegistryKeys.breakers)
        stored = await scripts.load("registry_enable")(self._redis, keys, (endpoint_id, self._clock.wall_ms()))
        return values.unpack_endpoint(stored) if stored else None

    async def pending_operational(self) -> list[operational.Entry]:
        """Operational events that wait to be published, in no order; each may be seen by several dispatchers."""
        entries: Any = await self._redis.hgetall(RegistryKeys.outbox)
        return [operational.decode(field, raw) for field, raw in entries.items()]

    async def operational_done(self, entry: operational.Entry) -> bool:
        """Remove exactly this entry, after it was published; False when a newer one took its place."""
        keys = (RegistryKeys.outbox, RegistryKeys.changes)
        args = (entry.field, entry.raw, "", "", "")
        return bool(await scripts.load("registry_swap")(self._redis, keys, args))


__all__ = ["EndpointName", "Meta", "Registry"]
