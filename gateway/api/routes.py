"""Every operation of the API, and its own description at `/openapi.json`."""

from functools import cache

import msgspec

from gateway.api import (
    deliveries,
    endpoint_actions,
    endpoint_pause,
    endpoint_secrets,
    endpoints,
    events,
    explain,
    filter_trials,
    jwks,
    openapi_document,
    probes,
    publish,
    publish_batch,
    redelivery,
    replays,
    subscribers,
)
from gateway.api.call import Answer, Call
from gateway.api.openapi import Operation, Route

HOT: tuple[Operation, ...] = (publish.OPERATION, publish_batch.OPERATION)
"""The operations that are dispatched ahead of the router."""


@cache
def document() -> bytes:
    """The OpenAPI document as JSON, made once."""
    return msgspec.json.encode(openapi_document.build(OPERATIONS))


async def show_openapi(_call: Call) -> Answer:
    """GET /openapi.json."""
    return Answer(document())


ROUTES: tuple[Route, ...] = (
    *subscribers.ROUTES,
    *endpoints.ROUTES,
    *endpoint_actions.ROUTES,
    *endpoint_secrets.ROUTES,
    *endpoint_pause.ROUTES,
    *filter_trials.ROUTES,
    *events.ROUTES,
    *explain.ROUTES,
    *deliveries.ROUTES,
    *redelivery.ROUTES,
    *replays.ROUTES,
    *probes.ROUTES,
    *jwks.ROUTES,
    Route(Operation(
        "show_openapi", "GET", "/openapi.json", "This description, OpenAPI 3.1", answers={200: {"type": "object"}},
    ), show_openapi),
)  # fmt: skip
"""Every route behind the router, in the order of the API's description."""

OPERATIONS: tuple[Operation, ...] = (*HOT, *(route.operation for route in ROUTES))
