"""Subscribers: who wants events. `kind` has no default and is fixed: internal ones get every matching event, external
ones only what is addressed to them, so one forgotten field must never decide it.

A POST may bring the first endpoints along, all or nothing. Internal subscribers are made and changed with the scope
`admin`; a key that is bound to a subscriber cannot make another one.
"""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway import ids, problems, rfc3339
from gateway.api import access, endpoint_drafts, fields, pages
from gateway.api import endpoint_rules as rules
from gateway.api import endpoint_types as types
from gateway.api.call import Answer, Call
from gateway.api.endpoint_views import show_many
from gateway.api.openapi import JSON, MERGE_PATCH, PAGE_PARAMETERS, Operation, Route
from gateway.model import subscriber as model
from gateway.problems import FieldError, Problem, field_error
from gateway.store import errors

ATTEMPTS = 5
INLINE_ENDPOINTS = 100
Name = Annotated[str, Meta(max_length=200)]


class WritableSubscriber(msgspec.Struct):
    """The fields of a subscriber that may change, and `kind`, which may not."""

    kind: model.Kind
    name: Name = ""
    metadata: types.Metadata = {}


class SubscriberPut(WritableSubscriber):
    """A subscriber as a whole."""

    id: types.Id | None = None


class NewSubscriber(WritableSubscriber):
    """A subscriber to be made, perhaps with its first endpoints."""

    id: types.Id | None = None
    endpoints: Annotated[list[types.NewEndpoint], Meta(max_length=INLINE_ENDPOINTS)] = []


class SubscriberPatch(msgspec.Struct, omit_defaults=True):
    """A merge patch of a subscriber: only what shall change; null means the default."""

    kind: model.Kind | msgspec.UnsetType = msgspec.UNSET
    name: Name | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class _NewSubscriberBody(WritableSubscriber):
    """As NewSubscriber, with endpoints still to be judged one by one, since they depend on the kind."""

    id: types.Id | None = None
    endpoints: Annotated[list[dict[str, Any]], Meta(max_length=INLINE_ENDPOINTS)] = []


class Subscriber(msgspec.Struct, kw_only=True):
    """A subscriber."""

    id: str
    kind: model.Kind
    name: str
    metadata: dict[str, Any]
    created_at: types.Time


class CreatedSubscriber(Subscriber, kw_only=True):
    """A new subscriber, with the endpoints that were made with it and their secrets."""

    endpoints: list[types.CreatedEndpoint]


def _view(subscriber: model.Subscriber) -> dict[str, Any]:
    return {
        "id": subscriber.id,
        "kind": subscriber.kind,
        "name": subscriber.name,
        "metadata": subscriber.metadata,
        "created_at": rfc3339.format_ms(subscriber.created_ms),
    }


async def create(call: Call) -> Answer:
    """POST /v1/subscribers."""
    if call.key.subscriber is not None:
        raise Problem("forbidden", f"this key is bound to subscriber {call.key.subscriber} and cannot make another")
    body = await call.json_object()
    values, wrong = fields.read(body, _NewSubscriberBody)
    wrong += _rule_errors(values)
    if values.get("id") is not None:
        wrong += rules.own_id(values["id"], "id")
    if "kind" in values:
        access.require_change(call, values["kind"])
    inline = await _check_endpoints(call, values, wrong)
    problems.refuse_fields(wrong)
    now = call.services.clock.wall_ms()
    new = model.Subscriber(
        values["id"] or ids.make("sub", now), values["kind"], values["name"], values["metadata"], now
    )
    drafts = [await endpoint_drafts.new_endpoint(call.services, one, new.id, new.kind) for one in inline]
    try:
        stored = await call.services.registry.create_subscriber(new, [draft.endpoint for draft in drafts])
    except errors.AlreadyExists as error:
        raise Problem("already_exists", str(error)) from None
    views = await show_many(call, stored)
    created = [types.CreatedEndpoint(**view, secret=draft.secret) for view, draft in zip(views, drafts, strict=True)]
    return Answer(CreatedSubscriber(**_view(new), endpoints=created), 201, {"location": f"/v1/subscribers/{new.id}"})


async def _check_endpoints(call: Call, values: dict[str, Any], wrong: list[FieldError]) -> list[dict[str, Any]]:
    """The good fields of the inline endpoints; what is wrong with them is added to `wrong`."""
    kind = values.get("kind")
    bodies = enumerate(values.get("endpoints", ()))
    checks = [
        endpoint_drafts.check_new(call.services, body, types.NewEndpoint, kind, f"endpoints[{position}].")
        for position, body in bodies
    ]
    checked = await asyncio.gather(*checks)
    wrong += [error for found in checked for error in found.errors]
    given = [found.values.get("id") for found in checked]
    for position, endpoint_id in enumerate(given):
        if endpoint_id is not None and endpoint_id in given[:position]:
            wrong.append(field_error(f"endpoints[{position}].id", "is in the list twice", endpoint_id))
    return [found.values for found in checked]


def _rule_errors(values: dict[str, Any]) -> list[FieldError]:
    found: list[FieldError] = []
    if "name" in values:
        found += rules.line(values["name"], "name")
    if "metadata" in values:
        found += rules.metadata(values["metadata"], "metadata")
    return found


async def list_all(call: Call) -> Answer:
    """GET /v1/subscribers."""
    request = pages.read(call.query, f"subscribers {call.key.subscriber}", call.services.meta.cursor_key)
    found = await call.services.registry.list_subscribers()
    page = request.cut(((one.created_ms, one.id), one) for one in found if call.sees(one.id))
    return Answer(pages.Page([Subscriber(**_view(one)) for one in page.data], page.next))


async def get(call: Call) -> Answer:
    """GET /v1/subscribers/{id}."""
    return Answer(Subscriber(**_view(await access.subscriber(call, call.path["id"]))))


async def put(call: Call) -> Answer:
    """PUT /v1/subscribers/{id}."""
    subscriber_id = call.path["id"]
    call.require_visible(subscriber_id, "subscriber", subscriber_id)
    values, wrong = fields.read(fields.without(await call.json_object(), {"created_at"}), SubscriberPut)
    wrong += _rule_errors(values)
    if values.get("id") not in {None, subscriber_id}:
        wrong.append(field_error("id", "differs from the id in the path", values["id"]))
    old = await call.services.registry.get_subscriber(subscriber_id)
    if old is None:
        wrong += rules.own_id(subscriber_id, "id")
    else:
        access.require_change(call, old.kind)
    problems.refuse_fields(wrong)
    access.require_change(call, values["kind"])
    return await _store(call, model.Subscriber(subscriber_id, values["kind"], values["name"], values["metadata"]))


async def patch(call: Call) -> Answer:
    """PATCH /v1/subscribers/{id}."""
    body = await call.json_object((MERGE_PATCH, JSON))
    for _ in range(ATTEMPTS):
        old = await access.subscriber(call, call.path["id"])
        access.require_change(call, old.kind)
        writable = {"kind": old.kind, "name": old.name, "metadata": old.metadata}
        values, wrong = fields.read(fields.merge_patch(writable, body), WritableSubscriber)
        wrong += _rule_errors(values)
        problems.refuse_fields(wrong)
        new = model.Subscriber(old.id, values["kind"], values["name"], values["metadata"], old.created_ms)
        try:
            return await _store(call, new, old)
        except errors.Conflict:
            continue
    raise Problem("changed_meanwhile", f"subscriber {call.path['id']} keeps changing")


async def _store(call: Call, new: model.Subscriber, old: model.Subscriber | None = None) -> Answer:
    try:
        created = await call.services.registry.put_subscriber(new, old)
    except errors.KindFixed as error:
        raise Problem("kind_fixed", str(error)) from None
    view = Subscriber(**_view(await access.subscriber(call, new.id)))
    return Answer(view, 201, {"location": f"/v1/subscribers/{new.id}"}) if created else Answer(view)


async def delete(call: Call) -> Answer:
    """DELETE /v1/subscribers/{id}."""
    found = await access.subscriber(call, call.path["id"])
    access.require_change(call, found.kind)
    if not await call.services.registry.delete_subscriber(found.id):
        problems.not_found("subscriber", found.id)
    return Answer(status=204)


_BODY_PROBLEMS = ("invalid_request", "malformed_json", "invalid_encoding")
_LOCATION = {"Location": "Path of the new subscriber."}
_ADMIN = "For an internal subscriber the key needs the scope `admin`."
SUBSCRIBERS = "/v1/subscribers"
SUBSCRIBER = "/v1/subscribers/{id}"
ROUTES = (
    Route(Operation(
        "create_subscriber", "POST", SUBSCRIBERS, "Make a subscriber, perhaps with endpoints",
        answers={201: CreatedSubscriber}, scope="manage", body=NewSubscriber, headers=_LOCATION,
        description=f"All or nothing. Secrets are shown here once. {_ADMIN}",
        problems=(*_BODY_PROBLEMS, "already_exists"),
    ), create),
    Route(Operation(
        "list_subscribers", "GET", SUBSCRIBERS, "Subscribers", answers={200: pages.Page[Subscriber]}, scope="read",
        parameters=PAGE_PARAMETERS, problems=("invalid_cursor",),
    ), list_all),
    Route(Operation(
        "get_subscriber", "GET", SUBSCRIBER, "One subscriber",
        answers={200: Subscriber}, scope="read", problems=("not_found",),
    ), get),
    Route(Operation(
        "put_subscriber", "PUT", SUBSCRIBER, "Make or replace a subscriber", answers={200: Subscriber, 201: Subscriber},
        scope="manage", body=SubscriberPut, headers=_LOCATION, problems=(*_BODY_PROBLEMS, "not_found", "kind_fixed"),
        description=f"Its endpoints stay; read-only fields are ignored. {_ADMIN}",
    ), put),
    Route(Operation(
        "patch_subscriber", "PATCH", SUBSCRIBER, "Change a subscriber", answers={200: Subscriber}, scope="manage",
        body=SubscriberPatch, body_types=(MERGE_PATCH, JSON),
        problems=(*_BODY_PROBLEMS, "not_found", "kind_fixed", "changed_meanwhile"),
        description=f"JSON merge patch (RFC 7396): null means the default. {_ADMIN}",
    ), patch),
    Route(Operation(
        "delete_subscriber", "DELETE", SUBSCRIBER, "Remove a subscriber and its endpoints",
        answers={204: None}, scope="manage", problems=("not_found",),
        description=f"Their unfinished deliveries become `skipped`; the history stays. {_ADMIN}",
    ), delete),
)  # fmt: skip
