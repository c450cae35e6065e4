"""The HTTP API: one module per resource, one way in, one way out.

    bytes -> http1 -> app.Gateway -> limits.Edge -+-> publish, publish_batch        (hot: bare ASGI, no routing)
                                                  +-> Router -> resource.Resource -> a handler of a resource

- A route is declared once, beside its handler, as an `openapi.Operation`; routing, scopes, query parameters and the
  OpenAPI document follow from it.
- A handler is `async def handler(call: Call) -> Answer` and raises `problems.Problem` for anything else; it is a thin
  shell over `gateway.store`, which owns every key and script.
- `access` decides what a key may see and change; `fields` and `endpoint_rules` name every wrong field at once.

Invariants: every answer has `x-request-id`; every refusal is an RFC 9457 problem with a stable code; nothing is stored
when a 4xx is answered; what another subscriber owns is missing in the same words as what does not exist; a secret is in
the answer that made it and at its own path only. It refuses to redirect, to decompress, to guess, and to deliver.
"""
