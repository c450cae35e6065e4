"""Endpoints: `/v1/endpoints` and `/v1/subscribers/{id}/endpoints`.

PUT makes or replaces the writable fields and never the secret, and ignores those that are read-only, so that what was
read can be changed and put back; PATCH is a merge patch (RFC 7396), null means default;
both repeat by themselves when somebody else changed the endpoint between reading and writing. The secret is in the
answer that made it and at its own path, nowhere else.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, get_args

from gateway import problems
from gateway.api import access, endpoint_drafts, fields, pages
from gateway.api import endpoint_types as types
from gateway.api.call import Answer, Call
from gateway.api.endpoint_views import show, show_detail, show_many
from gateway.api.openapi import JSON, MERGE_PATCH, PAGE_PARAMETERS, Operation, Parameter, Route
from gateway.model import secret
from gateway.model.endpoint import Endpoint, Status
from gateway.model.subscriber import Subscriber
from gateway.problems import FieldError, Problem, field_error
from gateway.store import endpoint_secrets, errors

ATTEMPTS = 5
_STATUSES = get_args(Status)


async def create(call: Call) -> Answer:
    """POST /v1/subscribers/{id}/endpoints."""
    owner = await access.subscriber(call, call.path["id"])
    access.require_change(call, owner.kind)
    body = await call.json_object()
    values, wrong = await endpoint_drafts.check_new(call.services, body, types.NewEndpoint, owner.kind)
    problems.refuse_fields(wrong)
    try:
        return await _store_new(call, values, owner)
    except errors.AlreadyExists as error:
        raise Problem("already_exists", str(error)) from None


async def _store_new(call: Call, values: dict[str, Any], owner: Subscriber) -> Answer:
    draft = await endpoint_drafts.new_endpoint(call.services, values, owner.id, owner.kind)
    try:
        stored = await call.services.registry.create_endpoint(draft.endpoint)
    except errors.SubscriberMissing:
        problems.not_found("subscriber", owner.id)
    created = types.CreatedEndpoint(**await show(call, stored), secret=draft.secret)
    return Answer(created, 201, {"location": f"/v1/endpoints/{stored.id}"})


async def list_all(call: Call) -> Answer:
    """GET /v1/endpoints."""
    owner = call.query.get("subscriber", call.key.subscriber)
    return await _page(call, owner, visible=owner is None or call.sees(owner))


async def list_of_subscriber(call: Call) -> Answer:
    """GET /v1/subscribers/{id}/endpoints."""
    owner = await access.subscriber(call, call.path["id"])
    return await _page(call, owner.id)


async def _page(call: Call, owner: str | None, *, visible: bool = True) -> Answer:
    """A page of one subscriber's endpoints, or of all, from the registry in memory."""
    status = call.query.get("status")
    if status not in {None, *_STATUSES}:
        raise Problem("invalid_parameter", f"status is {status!r:.64}; it is one of {', '.join(_STATUSES)}")
    scope = f"endpoints {call.path.get('id')} {call.key.subscriber}"
    request = pages.read(call.query, scope, call.services.meta.cursor_key)
    await call.services.mirror.refresh()
    after = None if request.after is None else (int(request.after[0]), str(request.after[1]))
    found = call.services.mirror.by_creation(after, descending=not request.ascending, subscriber=owner)
    wanted = (one for one in found if visible and status in {None, one.status})
    page = request.take(((one.created_ms, one.id), one) for one in wanted)
    views = await show_many(call, page.data)
    return Answer(pages.Page([types.Endpoint(**view) for view in views], page.next))


async def get(call: Call) -> Answer:
    """GET /v1/endpoints/{id}."""
    return Answer(await show_detail(call, await access.endpoint(call, call.path["id"])))


def _secret(call: Call, endpoint: Endpoint) -> str:
    newest = secret.of_kind(endpoint.secrets, "v1")[0]
    return endpoint_secrets.text_of(call.services.vault, endpoint.id, newest)


async def put(call: Call) -> Answer:
    """PUT /v1/endpoints/{id}."""
    body = fields.without(await call.json_object(), types.READ_ONLY)

    async def once() -> Answer:
        old = await call.services.registry.get_endpoint(call.path["id"])
        if old is not None and not call.sees(old.subscriber):
            problems.not_found("endpoint", old.id)
        return await (_put_new(call, body) if old is None else _put_over(call, body, old))

    return await repeated(call, once)


async def repeated(call: Call, once: Callable[[], Awaitable[Answer]]) -> Answer:
    """Read, decide and write until nobody came between; raises Problem `changed_meanwhile` after some attempts."""
    for _ in range(ATTEMPTS):
        try:
            return await once()
        except (errors.Conflict, errors.AlreadyExists):
            continue
    raise Problem("changed_meanwhile", f"endpoint {call.path['id']} keeps changing")


async def _put_new(call: Call, body: dict[str, Any]) -> Answer:
    name = body.get("subscriber")
    seen = isinstance(name, str) and call.sees(name)
    owner = await call.services.registry.get_subscriber(str(name)) if seen else None
    if owner is not None:
        access.require_change(call, owner.kind)
    new = {"id": call.path["id"], **body}
    kind = owner.kind if owner else None
    values, wrong = await endpoint_drafts.check_new(call.services, new, types.EndpointPut, kind)
    wrong += _wrong_id(call, values)
    if owner is None:
        why = "required for a new endpoint" if name is None else "there is no such subscriber"
        wrong.append(field_error("subscriber", why, name))
    problems.refuse_fields(wrong)
    assert owner is not None  # noqa: S101 - refused above
    return await _store_new(call, values, owner)


async def _put_over(call: Call, body: dict[str, Any], old: Endpoint) -> Answer:
    access.require_change(call, old.kind)
    values, wrong = await endpoint_drafts.check(call.services, body, types.EndpointPut, old.kind, known_url=old.url)
    wrong += _wrong_id(call, values)
    if values.get("subscriber") not in {None, old.subscriber}:
        wrong.append(field_error("subscriber", "cannot change", values["subscriber"]))
    given = values.get("secret")
    if given is not None and not hmac.compare_digest(given.encode(), _secret(call, old).encode()):
        wrong.append(field_error("secret", "PUT never replaces the secret; leave it out"))
    problems.refuse_fields(wrong)
    return await _store_over(call, values, old)


def _wrong_id(call: Call, values: dict[str, Any]) -> Iterator[FieldError]:
    if values.get("id") not in {None, call.path["id"]}:
        yield field_error("id", "differs from the id in the path", values["id"])


async def _store_over(call: Call, values: dict[str, Any], old: Endpoint) -> Answer:
    new = await endpoint_drafts.changed(call.services, old, values)
    if new == old:
        return Answer(types.Endpoint(**await show(call, old)))
    stored = await call.services.registry.update_endpoint(new, old.revision)
    return Answer(types.Endpoint(**await show(call, stored)))


async def patch(call: Call) -> Answer:
    """PATCH /v1/endpoints/{id}."""
    body = await call.json_object((JSON, MERGE_PATCH))

    async def once() -> Answer:
        old = await access.endpoint(call, call.path["id"])
        access.require_change(call, old.kind)
        merged = fields.merge_patch(endpoint_drafts.writable_fields(old, body), body)
        values, wrong = await endpoint_drafts.check(
            call.services, merged, types.WritableEndpoint, old.kind, known_url=old.url
        )
        problems.refuse_fields(wrong)
        return await _store_over(call, values, old)

    return await repeated(call, once)


async def delete(call: Call) -> Answer:
    """DELETE /v1/endpoints/{id}."""
    found = await access.endpoint(call, call.path["id"])
    access.require_change(call, found.kind)
    if not await call.services.registry.delete_endpoint(found.id):
        problems.not_found("endpoint", found.id)
    return Answer(status=204)


_BODY_PROBLEMS = ("not_found", "invalid_request", "malformed_json", "invalid_encoding")
_STATUS = Parameter("status", "Only these.", {"type": "string", "enum": list(_STATUSES)})
_SUBSCRIBER = Parameter("subscriber", "Only endpoints of this subscriber.")
_LOCATION = {"Location": "Path of the new endpoint."}
ENDPOINT = "/v1/endpoints/{id}"
OF_SUBSCRIBER = "/v1/subscribers/{id}/endpoints"
ROUTES = (
    Route(Operation(
        "create_endpoint", "POST", OF_SUBSCRIBER, "Add an endpoint to a subscriber",
        answers={201: types.CreatedEndpoint}, scope="manage", headers=_LOCATION,
        description="For an internal subscriber the key needs the scope `admin`. The secret is shown here once.",
        body=types.NewEndpoint, problems=(*_BODY_PROBLEMS, "already_exists"),
    ), create),
    Route(Operation(
        "list_endpoints_of_subscriber", "GET", OF_SUBSCRIBER, "Endpoints of a subscriber",
        answers={200: pages.Page[types.Endpoint]}, scope="read",
        parameters=(_STATUS, *PAGE_PARAMETERS), problems=("not_found", "invalid_cursor"),
    ), list_of_subscriber),
    Route(Operation(
        "list_endpoints", "GET", "/v1/endpoints", "Endpoints", answers={200: pages.Page[types.Endpoint]}, scope="read",
        parameters=(_SUBSCRIBER, _STATUS, *PAGE_PARAMETERS), problems=("invalid_cursor",),
    ), list_all),
    Route(Operation(
        "get_endpoint", "GET", ENDPOINT, "One endpoint with its health and what waits for it",
        answers={200: types.EndpointDetail}, scope="read", problems=("not_found",),
    ), get),
    Route(Operation(
        "put_endpoint", "PUT", ENDPOINT, "Make or replace an endpoint", scope="manage", headers=_LOCATION,
        answers={200: types.Endpoint, 201: types.CreatedEndpoint}, body=types.EndpointPut,
        description="Replaces every writable field, an absent one by its default; never the secret. Read-only fields "
        "are ignored. `subscriber` is required for a new endpoint. For an internal subscriber the key needs the scope "
        "`admin`.",
        problems=(*_BODY_PROBLEMS, "changed_meanwhile"),
    ), put),
    Route(Operation(
        "patch_endpoint", "PATCH", ENDPOINT, "Change an endpoint", answers={200: types.Endpoint}, scope="manage",
        description="JSON merge patch (RFC 7396): null means the default. For an internal subscriber the key needs the "
        "scope `admin`.",
        body=types.EndpointPatch, body_types=(MERGE_PATCH, JSON), problems=(*_BODY_PROBLEMS, "changed_meanwhile"),
    ), patch),
    Route(Operation(
        "delete_endpoint", "DELETE", ENDPOINT, "Remove an endpoint", answers={204: None}, scope="manage",
        description="Its unfinished deliveries become `skipped`; the history stays.", problems=("not_found",),
    ), delete),
)  # fmt: skip
