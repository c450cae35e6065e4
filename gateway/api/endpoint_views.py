"""Endpoints as the caller may see them: with health, and header values only for who may change them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gateway import rfc3339
from gateway.api import endpoint_types as types
from gateway.api import signature_profiles
from gateway.api.call import Call
from gateway.model import secret
from gateway.model.endpoint import Endpoint, Health
from gateway.store import filter_errors, held
from gateway.store.filter_errors import FilterErrors


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """What a caller may see of an endpoint, and what is needed to show it."""

    health: Mapping[int, Health]
    disable_after_seconds: int
    header_values: bool
    filter_errors: Mapping[int, FilterErrors] = dataclasses.field(default_factory=dict)


def fields_of(endpoint: Endpoint, shown: Shown) -> dict[str, Any]:
    """The fields of `Endpoint`, for it and its variants."""
    headers = endpoint.headers if shown.header_values else dict.fromkeys(endpoint.headers, types.HIDDEN)
    disable_after = shown.disable_after_seconds if endpoint.status == "enabled" else None
    rate = endpoint.rate
    return {
        "id": endpoint.id,
        "subscriber": endpoint.subscriber,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "filter": endpoint.filter or None,
        "description": endpoint.description,
        "metadata": endpoint.metadata,
        "status": endpoint.status,
        "disabled_reason": endpoint.disabled_reason,
        "paused_at": _time(endpoint.paused_ms),
        "retry_schedule": endpoint.retry_schedule,
        "deadline_seconds": endpoint.deadline_seconds,
        "max_in_flight": endpoint.max_in_flight,
        "rate": None if rate is None else types.Rate(rate.per_second, rate.burst),
        "ordered": endpoint.ordered,
        "on_failure": endpoint.on_failure,
        "catch_up": endpoint.catch_up or None,
        "headers": headers,
        **signature_profiles.shown(endpoint),
        "public_key": secret.newest_public_key(endpoint.secrets),
        "health": health_view(shown.health.get(endpoint.number, Health()), disable_after),
        "filter_errors": _filter_errors(shown.filter_errors.get(endpoint.number)),
        "created_at": rfc3339.format_ms(endpoint.created_ms),
        "updated_at": rfc3339.format_ms(endpoint.updated_ms),
    }


def health_view(health: Health, disable_after_seconds: int | None) -> types.Health:
    """Health with times as text; `disable_after_seconds` is HOOKLINE_DISABLE_AFTER, None unless enabled."""
    last = health.last_failure
    since = health.failing_since_ms
    disables = None if since is None or disable_after_seconds is None else since + disable_after_seconds * 1_000
    return types.Health(
        consecutive_failures=health.consecutive_failures,
        failing_since=_time(since),
        last_success_at=_time(health.last_success_ms),
        last_failure=types.LastFailure(rfc3339.format_ms(last.at_ms), last.error, last.status, last.delivery)
        if last
        else None,
        disables_at=_time(disables),
    )


def _filter_errors(found: FilterErrors | None) -> types.FilterErrors:
    return types.FilterErrors(found.times, found.last_error, _time(found.last_ms)) if found else types.FilterErrors()


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339.format_ms(milliseconds)


async def show(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    """The fields of `endpoint_types.Endpoint`, for it and its variants."""
    shown = await show_many(call, [endpoint])
    return shown[0]


async def show_many(call: Call, endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """The same for many, with one look-up of their health, and one of their filters' errors if they have filters."""
    health = await call.services.health.get(endpoint.number for endpoint in endpoints)
    failed = await filter_errors.read(call.services.redis, endpoints)
    disable_after = call.services.settings.disable_after
    shown = Shown(health, disable_after, header_values=call.key.allows("manage"), filter_errors=failed)
    return [fields_of(endpoint, shown) for endpoint in endpoints]


async def show_detail(call: Call, endpoint: Endpoint) -> types.EndpointDetail:
    """An endpoint with what waits for it."""
    services = call.services
    waiting = await held.count(services.redis, services.partitions, endpoint.number)
    oldest = waiting.oldest
    view = types.Held(
        waiting.deliveries,
        None if oldest is None else oldest.delivery_id,
        None if oldest is None else rfc3339.format_ms(oldest.ms),
    )
    return types.EndpointDetail(**await show(call, endpoint), held=view)
