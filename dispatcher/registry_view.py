"""The registry in memory, never older than the event that is matched against it.

The reader reads the change stream to its end after each read of the log, and applies it here before it matches. Others
`refresh` before they conclude from the registry that something must not be sent: what a person ordered a moment after
enabling an endpoint must not meet a view from before. A cursor outside of the change stream means a full load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dispatcher import request
from gateway.egress import Egress, EgressError
from gateway.matching import Index
from gateway.model.delivery import Reason
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.store import changes, endpoint_secrets
from gateway.store.registry import Registry
from gateway.store.vault import Vault, VaultError
from receivers.errors import SecretError

OnOff = Callable[[int], None]
"""Called with the number of an endpoint that may not be sent to any more."""
OnBreakers = Callable[[set[str] | None], Awaitable[None]]
"""Called with the numbers of the endpoints whose breaker changed, None for all; awaited before the cursor moves on."""
OnChanged = Callable[[int], None]
"""Called with the number of an endpoint that has another value now, or none."""


class RouteRefused(Exception):
    """An endpoint cannot be sent to as it is registered: its URL or secret is refused; the text says why."""


class RegistryView:
    """Endpoints by number and pattern, with their routes made on first use."""

    def __init__(
        self,
        registry: Registry,
        vault: Vault,
        egress: Egress,
        on_off: OnOff,
        on_breakers: OnBreakers | None = None,
        on_changed: OnChanged | None = None,
    ) -> None:
        self._registry, self._vault, self._egress = registry, vault, egress
        self._on_off, self._on_breakers, self._on_changed = on_off, on_breakers, on_changed
        self._index = Index()
        self._ids: dict[int, str] = {}
        self._routes: dict[int, request.Route] = {}
        # one at a time: else an older value of an endpoint could be put over a newer one
        self._lock = asyncio.Lock()
        self.cursor = "0-0"

    async def load(self) -> None:
        """Read the whole registry; endpoints that went away since count as switched off."""
        async with self._lock:
            await self._load()

    async def follow(self, cursor: str, reply: Sequence[Any] | None) -> None:
        """Apply the reply to `changes.command(cursor)`, and read on to the stream's end."""
        async with self._lock:
            moved = cursor != self.cursor
            await self._apply(
                await self._registry.changes_since(self.cursor) if moved else changes.parse(cursor, reply)
            )

    async def refresh(self) -> None:
        """Know everything that was registered before this call."""
        async with self._lock:
            await self._apply(await self._registry.changes_since(self.cursor))

    async def _load(self) -> None:
        endpoints, cursor = await self._registry.snapshot()
        before = {number: self._index.get(name) for number, name in self._ids.items()}
        self._index = Index(endpoints)
        self._ids = {endpoint.number: endpoint.id for endpoint in endpoints}
        self._routes.clear()
        for number, endpoint in before.items():
            if endpoint is not None and endpoint != self.endpoint(number):
                self._announce(endpoint)
        if self._on_breakers is not None:
            await self._on_breakers(None)
        self.cursor = cursor

    def _announce(self, before: Endpoint) -> None:
        """Say that the endpoint has another value now, or none."""
        if self._on_changed is not None:
            self._on_changed(before.number)
        if not self.is_on(before.number):
            self._on_off(before.number)

    async def _apply(self, found: changes.Changes) -> None:
        while True:
            if found.truncated:
                await self._load()
                return
            wanted = {change.id for change in found.changes if change.kind == "endpoint"}
            if wanted:
                endpoints = await self._registry.get_endpoints(wanted)
                for name in wanted:
                    self._replace(name, endpoints.get(name))
            breakers = {change.id for change in found.changes if change.kind == "breaker"}
            if breakers and self._on_breakers is not None:
                await self._on_breakers(breakers)
            self.cursor = found.cursor
            if not found.more:
                return
            found = await self._registry.changes_since(self.cursor)

    def _replace(self, endpoint_id: str, endpoint: Endpoint | None) -> None:
        before = self._index.remove(endpoint_id)
        if before is not None:
            self._routes.pop(before.number, None)
            if endpoint is None or endpoint.number != before.number:
                self._ids.pop(before.number, None)
        if endpoint is not None:
            self._index.put(endpoint)
            self._ids[endpoint.number] = endpoint.id
        if before is not None:
            self._announce(before)

    def match(self, event: Event) -> tuple[Endpoint, ...]:
        """The enabled endpoints that get the event, in ascending number."""
        return self._index.match(event)

    def endpoint(self, number: int) -> Endpoint | None:
        """An endpoint by its number; None when it was deleted."""
        name = self._ids.get(number)
        return self._index.get(name) if name else None

    def is_on(self, number: int) -> bool:
        """Whether deliveries to it may be attempted."""
        return self.off_reason(number) is None

    def off_reason(self, number: int) -> Reason | None:
        """Why nothing may be sent to it; None if it is enabled."""
        endpoint = self.endpoint(number)
        if endpoint is None:
            return Reason.ENDPOINT_DELETED
        return Reason.ENDPOINT_DISABLED if endpoint.status == "disabled" else None

    def route(self, number: int) -> request.Route:
        """The endpoint made ready for sending. Raises RouteRefused."""
        route = self._routes.get(number)
        if route is None:
            endpoint = self.endpoint(number)
            if endpoint is None:
                raise RouteRefused(f"endpoint number {number} was deleted")
            route = self._routes[number] = self._make(endpoint)
        return route

    def _make(self, endpoint: Endpoint) -> request.Route:
        try:
            return request.route(endpoint, endpoint_secrets.texts_of(self._vault, endpoint), self._egress)
        except (EgressError, VaultError, SecretError) as error:
            raise RouteRefused(str(error)) from error
