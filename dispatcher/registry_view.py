"""The registry in memory, never older than the event that is matched against it, with routes made on first use.

The reader reads the change stream to its end after each read of the log, and applies it here before it matches. Others
`refresh` before they conclude from the registry that something must not be sent: what a person ordered a moment after
enabling an endpoint must not meet a view from before. A cursor outside of the change stream means a full load.
"""

from collections.abc import Callable, Sequence
from typing import Any

from dispatcher import request
from gateway.egress import Egress, EgressError
from gateway.matching import OnFilterFailed
from gateway.model.delivery import Reason
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.registry_mirror import OnBreakers, RegistryMirror
from gateway.store import endpoint_secrets
from gateway.store.registry import Registry
from gateway.store.vault import Vault, VaultError
from receivers.errors import SecretError

OnOff = Callable[[int], None]
"""Called with the number of an endpoint that may not be sent to any more."""
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
        on_filter_failed: OnFilterFailed | None = None,
    ) -> None:
        self._vault, self._egress = vault, egress
        self._on_off, self._on_changed = on_off, on_changed
        self._mirror = RegistryMirror(registry, self._replaced, on_breakers, on_filter_failed)
        self._routes: dict[int, request.Route] = {}

    @property
    def cursor(self) -> str:
        """How far the change stream was read."""
        return self._mirror.cursor

    async def load(self) -> None:
        """Read the whole registry; endpoints that went away since count as switched off."""
        await self._mirror.load()

    async def follow(self, cursor: str, reply: Sequence[Any] | None) -> None:
        """Apply the reply to `changes.command(cursor)`, and read on to the stream's end."""
        await self._mirror.follow(cursor, reply)

    async def refresh(self) -> None:
        """Know everything that was registered before this call."""
        await self._mirror.refresh()

    def _replaced(self, before: Endpoint) -> None:
        self._routes.pop(before.number, None)
        if self._on_changed is not None:
            self._on_changed(before.number)
        if not self.is_on(before.number):
            self._on_off(before.number)

    def match(self, event: Event) -> tuple[Endpoint, ...]:
        """The enabled endpoints that get the event, in ascending number."""
        return self._mirror.match(event)

    def match_unfiltered(self, event: Event) -> tuple[Endpoint, ...] | None:
        """The same, None when filters have to be asked."""
        return self._mirror.match_unfiltered(event)

    async def match_in_turns(self, event: Event) -> tuple[Endpoint, ...]:
        """The same; while filters take long, others have their turns, so what may have changed is to be looked at."""
        return await self._mirror.match_in_turns(event)

    def endpoint(self, number: int) -> Endpoint | None:
        """An endpoint by its number; None when it was deleted."""
        return self._mirror.endpoint(number)

    def endpoints(self) -> Sequence[Endpoint]:
        """All of them, in ascending number."""
        return self._mirror.endpoints()

    def is_on(self, number: int) -> bool:
        """Whether deliveries to it may be attempted."""
        return self.off_reason(number) is None

    def off_reason(self, number: int) -> Reason | None:
        """Why nothing may be sent to it; None if it is enabled."""
        endpoint = self.endpoint(number)
        if endpoint is None:
            return Reason.ENDPOINT_DELETED
        return Reason.ENDPOINT_DISABLED if endpoint.status == "disabled" else None

    def is_failing(self, number: int) -> bool:
        """Whether it was disabled because it only failed, so that a probe may enable it."""
        endpoint = self.endpoint(number)
        return endpoint is not None and endpoint.disabled_reason == "failing"

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
