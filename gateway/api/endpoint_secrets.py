"""The secrets of an endpoint: the newest of them, which are live, and their rotation.

    rotate --> the new secret signs first, every one before it signs too until its time --> only the new one signs

A receiver that holds any live secret accepts every delivery, so receivers change over one by one, whenever they like
during the overlap. Whoever is to know the new secret before it signs hands it in as `secret`: the same call then may be
repeated after a lost answer. It refuses a fourth live secret of a kind, and never shows a whsk_ key.
"""

import hmac
from typing import Any

import msgspec

from gateway import problems, rfc3339
from gateway.api import access, fields
from gateway.api import signature_types as types
from gateway.api.call import Answer, Call
from gateway.api.endpoints import ENDPOINT, repeated
from gateway.api.openapi import Operation, Route
from gateway.model import secret as model
from gateway.model.endpoint import Endpoint
from gateway.problems import FieldError, Problem, field_error
from gateway.store import endpoint_secrets
from receivers import secrets
from receivers.errors import SecretError

_KINDS: dict[type[secrets.Secret], model.SignatureVersion] = {
    secrets.SymmetricSecret: "v1",
    secrets.PrivateKey: "v1a",
}


async def get(call: Call) -> Answer:
    """GET /v1/endpoints/{id}/secret."""
    return Answer(_view(call, await access.endpoint(call, call.path["id"])))


def _view(call: Call, endpoint: Endpoint) -> types.Secret:
    live = [one for one in model.live(endpoint.secrets, call.services.clock.wall_ms()) if one.kind != "profile"]
    newest = model.of_kind(endpoint.secrets, "v1")[0]
    return types.Secret(
        endpoint_secrets.text_of(call.services.vault, endpoint.id, newest),
        model.newest_public_key(endpoint.secrets),
        [_live(one) for one in sorted(live, key=lambda one: one.kind)],
    )


def _live(one: model.EndpointSecret) -> types.LiveSecret:
    expires = None if one.expires_ms is None else rfc3339.format_ms(one.expires_ms)
    kind: model.SignatureVersion = "v1a" if one.kind == "v1a" else "v1"
    return types.LiveSecret(one.id, kind, rfc3339.format_ms(one.created_ms), expires, one.public_key or None)


async def rotate(call: Call) -> Answer:
    """POST /v1/endpoints/{id}/secret/rotate."""
    values, wrong = fields.read(await call.optional_json_object(), types.Rotation)
    given = _given(values, wrong)
    problems.refuse_fields(wrong)
    made: dict[model.SignatureVersion, model.EndpointSecret] = {}

    async def once() -> Answer:
        old = await access.endpoint(call, call.path["id"])
        access.require_change(call, old.kind)
        new = _rotated(call, old, values, given, made)
        stored = old if new == old else await call.services.registry.update_endpoint(new, old.revision)
        return Answer(_view(call, stored))

    return await repeated(call, once)


def _given(values: dict[str, Any], wrong: list[FieldError]) -> model.SignatureVersion | None:
    """The kind of the given secret, None if it is to be made."""
    text, asked = values.get("secret"), values.get("kind")
    if text is None:
        return None
    try:
        kind = _KINDS.get(type(secrets.parse(text)))
    except SecretError as error:
        wrong.append(field_error("secret", str(error)))
        return None
    if kind is None:
        wrong.append(field_error("secret", "a whpk_ key cannot sign; hand in the whsk_ key"))
    elif asked not in {None, kind}:
        wrong.append(field_error("kind", f"the given secret is for {kind}", asked))
    return kind


def _rotated(
    call: Call,
    old: Endpoint,
    values: dict[str, Any],
    given: model.SignatureVersion | None,
    made: dict[model.SignatureVersion, model.EndpointSecret],
) -> Endpoint:
    asked = given or values["kind"]
    if asked == "v1a" and "v1a" not in old.signatures:
        field = "secret" if given else "kind"
        problems.refuse_fields([field_error(field, "this endpoint does not sign with v1a; add it to `signatures`")])
    if given and _is_newest(call, old, given, values["secret"]):
        return old
    now = call.services.clock.wall_ms()
    found = old.secrets
    for kind in (asked,) if asked else old.signatures:
        if kind not in made:
            text = values["secret"] or endpoint_secrets.generate(kind)
            made[kind] = endpoint_secrets.seal(call.services.vault, old.id, kind, text, now)
        try:
            found = model.rotated(found, made[kind], values["overlap_seconds"] * 1_000, now)
        except model.TooManySecrets:
            raise _too_many(found, kind, now) from None
    return msgspec.structs.replace(old, secrets=found)


def _is_newest(call: Call, endpoint: Endpoint, kind: model.SignatureVersion, text: str) -> bool:
    """Whether the given secret signs first already; refuses one that is an older live one."""
    for position, one in enumerate(model.of_kind(endpoint.secrets, kind)):
        held = endpoint_secrets.text_of(call.services.vault, endpoint.id, one)
        if hmac.compare_digest(held.encode(), text.encode()):
            if position == 0:
                return True
            problems.refuse_fields([field_error("secret", f"is {one.id}, which was rotated; hand in a new one")])
    return False


def _too_many(secrets_: model.Secrets, kind: model.SignatureVersion, now_ms: int) -> Problem:
    live = model.live(model.of_kind(secrets_, kind), now_ms)
    ends = [one.expires_ms for one in live if one.expires_ms is not None]
    until = rfc3339.format_ms(min(ends, default=now_ms))
    return Problem("too_many_secrets", f"{len(live)} {kind} secrets are live, the first of them until {until}")


SECRET = f"{ENDPOINT}/secret"
ROUTES = (
    Route(Operation(
        "get_endpoint_secret", "GET", SECRET, "The signing secret, and which are live",
        answers={200: types.Secret}, scope="manage", problems=("not_found",),
        description="The newest whsec_ secret and whpk_ key; of older ones that still sign, when they end.",
    ), get),
    Route(Operation(
        "rotate_endpoint_secret", "POST", f"{SECRET}/rotate", "Rotate the signing secret",
        answers={200: types.Secret}, scope="manage", body=types.Rotation, body_required=False,
        description="The new secret signs first; during the overlap every delivery is signed with the old ones too, so "
        "that receivers change over one by one. A secret that ends already keeps its time, unless `overlap_seconds` is "
        "0: then the new one alone signs from now on. Of a kind, 3 can be live. With a `secret` of your own the call "
        "may be repeated. For an internal subscriber the key needs the scope `admin`.",
        problems=("not_found", "invalid_request", "malformed_json", "invalid_encoding", "too_many_secrets",
                  "changed_meanwhile"),
    ), rotate),
)  # fmt: skip
