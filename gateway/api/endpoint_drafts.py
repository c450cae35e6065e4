"""From a request body to an endpoint that may be stored: types, then every rule, all errors at once.

Nothing is stored here, and nothing is made before every field is good.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway import ids
from gateway.api import endpoint_rules as rules
from gateway.api import fields, signature_profiles
from gateway.api.services import Services
from gateway.model.endpoint import Endpoint, Status
from gateway.model.subscriber import Kind
from gateway.problems import FieldError
from gateway.store import connection, endpoint_secrets

WRITABLE = (
    "url", "event_types", "filter", "description", "metadata", "status", "retry_schedule", "deadline_seconds",
    "max_in_flight", "rate", "ordered", "on_failure", "headers",
)  # fmt: skip
Rule = Callable[[Any, str], Iterator[FieldError]]
_RULES: Mapping[str, Rule] = {
    "event_types": rules.event_types,
    "filter": rules.filter_text,
    "metadata": rules.metadata,
    "headers": rules.headers,
}
_NEW_RULES: Mapping[str, Rule] = {"id": rules.own_id, "secret": rules.secret}


class Draft(NamedTuple):
    """An endpoint to store, and its secret as text."""

    endpoint: Endpoint
    secret: str


async def check(
    services: Services,
    body: Mapping[str, Any],
    struct: type[msgspec.Struct],
    kind: Kind | None,
    prefix: str = "",
    *,
    known_url: str = "",
) -> fields.Fields:
    """Judge a body by a struct of `endpoint_types` and by the rules of its writable fields.

    Without a `kind`, which is then itself an error, nothing can be said of the URL. One that the endpoint has already
    is not judged again: what became of its name must not be in the way of disabling it.
    """
    values, errors = fields.read(body, struct, prefix)
    for name, rule in _RULES.items():
        if name in values:
            errors += rule(values[name], prefix + name)
    errors += signature_profiles.errors(values, prefix)
    if kind is not None and values.get("url", known_url) != known_url:
        errors += await rules.url(services.egress, values["url"], kind, prefix + "url")
    return fields.Fields(values, errors)


async def check_new(
    services: Services, body: Mapping[str, Any], struct: type[msgspec.Struct], kind: Kind | None, prefix: str = ""
) -> fields.Fields:
    """As `check`, with the rules of `id` and `secret`, which only a new endpoint takes."""
    values, errors = await check(services, body, struct, kind, prefix)
    for name, rule in _NEW_RULES.items():
        if values.get(name) is not None:
            errors += rule(values[name], prefix + name)
    return fields.Fields(values, errors)


async def new_endpoint(services: Services, values: Mapping[str, Any], subscriber: str, kind: Kind) -> Draft:
    """The endpoint of good values, with a sealed secret, given or made. Raises redis errors."""
    now = services.clock.wall_ms()
    endpoint_id = values["id"] or ids.make("ep", now)
    secret = values["secret"] or endpoint_secrets.generate("v1")
    sealed = endpoint_secrets.seal(services.vault, endpoint_id, "v1", secret, now)
    empty = Endpoint(id=endpoint_id, number=0, subscriber=subscriber, kind=kind, url="", secrets=(sealed,))
    return Draft(await changed(services, empty, values), secret)


async def changed(services: Services, old: Endpoint, values: Mapping[str, Any]) -> Endpoint:
    """The endpoint with its writable fields from good values; a status that changes is the operator's doing.

    One that is not ordered any more waits for no replay.
    """
    schedule, rate = values["retry_schedule"], values["rate"]
    new = msgspec.structs.replace(
        old,
        url=values["url"],
        event_types=tuple(values["event_types"]),
        filter=values["filter"] or "",
        description=values["description"],
        metadata=values["metadata"],
        retry_schedule=None if schedule is None else tuple(schedule),
        deadline_seconds=values["deadline_seconds"],
        max_in_flight=values["max_in_flight"],
        rate=None if rate is None else rate.to_model(),
        ordered=values["ordered"],
        on_failure=values["on_failure"],
        catch_up=old.catch_up if values["ordered"] else "",
        headers=values["headers"],
    )
    return await with_status(services, signature_profiles.applied(services, new, values), values["status"])


async def with_status(services: Services, old: Endpoint, status: Status) -> Endpoint:
    """The endpoint in this status, since now if it was in another one."""
    if status == old.status:
        return old
    now = None if status == "enabled" else await connection.store_ms(services.redis)
    disabled = status == "disabled"
    return msgspec.structs.replace(
        old,
        status=status,
        disabled_reason="operator" if disabled else None,
        disabled_ms=now if disabled else None,
        paused_ms=now if status == "paused" else None,
    )


def writable_fields(endpoint: Endpoint, patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a PATCH is applied to, as JSON values."""
    values: dict[str, Any] = msgspec.to_builtins({name: getattr(endpoint, name) for name in WRITABLE})
    return values | signature_profiles.patched(endpoint, patch)
