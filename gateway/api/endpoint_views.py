"""Endpoints as the caller may see them: with health, and header values only for who may change them."""

from collections.abc import Sequence
from typing import Any

from gateway.api import endpoint_types as types
from gateway.api.call import Call
from gateway.model.endpoint import Endpoint


async def show(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    """The fields of `endpoint_types.Endpoint`, for it and its variants."""
    shown = await show_many(call, [endpoint])
    return shown[0]


async def show_many(call: Call, endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """The same for many, with one look-up of their health."""
    health = await call.services.health.get(endpoint.number for endpoint in endpoints)
    shown = types.Shown(health, call.services.settings.disable_after, header_values=call.key.allows("manage"))
    return [types.fields_of(endpoint, shown) for endpoint in endpoints]
