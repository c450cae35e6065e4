"""Format and signatures of an endpoint: what may be, what is shown, and the secrets that follow from it.

A secret is made when it is first wanted: an Ed25519 key with the first `v1a`; it stays when `v1a` is given up, so that
coming back to it does not change the key. The profile's own secret is never shown: `***` stands for it in both
directions.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway import problems
from gateway.api import endpoint_rules as rules
from gateway.api.endpoint_types import HIDDEN
from gateway.api.services import Services
from gateway.api.signature_types import SignatureProfile
from gateway.model import endpoint as model
from gateway.model import profile, secret
from gateway.problems import FieldError, field_error
from gateway.store import endpoint_secrets
from receivers.errors import SecretError

FIELDS = ("format", "signatures", "signature_profile")
_FIELD = "signature_profile"
_VISIBLE = frozenset(chr(code) for code in range(0x20, 0x7F))
_PARAMETERS = tuple(name for name in profile.SignatureProfile.__struct_fields__ if name != "kind")


def errors(values: Mapping[str, Any], prefix: str = "") -> Iterator[FieldError]:
    """What is wrong with these fields, alone and together with `headers`; fields that are bad already are absent."""
    versions = values.get("signatures", ())
    if len(set(versions)) < len(versions):
        yield field_error(f"{prefix}signatures", "has a version twice")
    given: SignatureProfile | None = values.get(_FIELD)
    if given is not None:
        yield from _profile_errors(given, f"{prefix}{_FIELD}")
    yield from _taken_headers(values, given, prefix)


def _profile_errors(given: SignatureProfile, field: str) -> Iterator[FieldError]:
    if given.kind != "hmac":
        for name in _PARAMETERS:
            if getattr(given, name) != getattr(SignatureProfile(given.kind), name):
                yield field_error(f"{field}.{name}", f"is fixed by the kind {given.kind}")
        return
    yield from rules.header_name(given.header, f"{field}.header")
    yield from _text(given.prefix, f"{field}.prefix")
    if given.timestamp is not None:
        yield from rules.header_name(given.timestamp.header, f"{field}.timestamp.header")
        if given.timestamp.header.lower() == given.header.lower():
            yield field_error(f"{field}.timestamp.header", "is the header of the signature")
        yield from _text(given.timestamp.prefix, f"{field}.timestamp.prefix")
        yield from _text(given.timestamp.separator, f"{field}.timestamp.separator")
    if given.secret is None and given.key_encoding == "hex":
        yield field_error(f"{field}.secret", "required: the endpoint's whsec_ secret is not hex")
    elif given.secret not in {None, HIDDEN}:
        yield from _key_errors(str(given.secret), given.key_encoding, f"{field}.secret")


def _text(value: str, field: str) -> Iterator[FieldError]:
    if not _VISIBLE.issuperset(value) or value != value.lstrip():
        yield field_error(field, "must be visible ASCII characters")


def _key_errors(text: str, encoding: profile.KeyEncoding, field: str) -> Iterator[FieldError]:
    try:
        profile.key_of(text, encoding)
    except SecretError as error:
        yield field_error(field, str(error))


def _taken_headers(values: Mapping[str, Any], given: SignatureProfile | None, prefix: str) -> Iterator[FieldError]:
    taken = dict.fromkeys(profile.header_names(_model(given)), "the signature profile") if given else {}
    binary = values.get("format") == "cloudevents-binary"
    for name in taken:
        if binary and name.startswith("ce-"):
            yield field_error(f"{prefix}{_FIELD}.header", "is a header of the format cloudevents-binary")
    for name in values.get("headers", {}):
        owner = taken.get(name.lower())
        if binary and name.lower().startswith("ce-"):
            owner = "the format cloudevents-binary"
        if owner:
            yield field_error(f"{prefix}headers.{name[:64]}", f"is set by {owner}")


def _model(given: SignatureProfile) -> profile.SignatureProfile:
    timestamp = given.timestamp and profile.ProfileTimestamp(*msgspec.structs.astuple(given.timestamp))
    parameters = {name: getattr(given, name) for name in _PARAMETERS}
    return profile.SignatureProfile(**{**parameters, "kind": given.kind, "timestamp": timestamp})


def shown(endpoint: model.Endpoint) -> dict[str, Any]:
    """The fields of the API's endpoint, as JSON values; also what a PATCH is applied to."""
    return {
        "format": endpoint.format,
        "signatures": list(endpoint.signatures),
        "signature_profile": _shown_profile(endpoint),
    }


def _shown_profile(endpoint: model.Endpoint) -> dict[str, Any] | None:
    given = endpoint.signature_profile
    if given is None:
        return None
    own = {"secret": HIDDEN} if secret.of_kind(endpoint.secrets, "profile") else {}
    return {"kind": given.kind, **own, **(msgspec.to_builtins(given) if given.kind == "hmac" else {})}


def patched(endpoint: model.Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch is applied to: a profile of another kind is not merged with the one before."""
    values = shown(endpoint)
    old, new = values[_FIELD], body.get(_FIELD)
    if old and isinstance(new, dict) and new.get("kind", old["kind"]) != old["kind"]:
        values[_FIELD] = None
    return values


def applied(services: Services, old: model.Endpoint, values: Mapping[str, Any]) -> model.Endpoint:
    """The endpoint with these fields from good values, and the secrets that they want.

    Raises Problem `invalid_request` for a `***` that stands for nothing, or for a text that is no such key.
    """
    given: SignatureProfile | None = values[_FIELD]
    new = msgspec.structs.replace(
        old,
        format=values["format"],
        signatures=tuple(sorted(values["signatures"])),
        signature_profile=None if given is None else _model(given),
        secrets=_with_own(services, old, given),
    )
    now = services.clock.wall_ms()
    made = tuple(
        endpoint_secrets.seal(services.vault, old.id, kind, endpoint_secrets.generate(kind), now)
        for kind in endpoint_secrets.missing(new, new.signatures)
    )
    return msgspec.structs.replace(new, secrets=(*new.secrets, *made)) if made else new


def _with_own(services: Services, old: model.Endpoint, given: SignatureProfile | None) -> secret.Secrets:
    """The secrets with the profile's own as it is given: a new one, the one that it has, or none."""
    others = tuple(one for one in old.secrets if one.kind != "profile")
    if given is None or given.secret is None:
        return others
    before = secret.of_kind(old.secrets, "profile")
    kept = endpoint_secrets.text_of(services.vault, old.id, before[0]) if before else None
    if given.secret in {HIDDEN, kept}:
        if kept is None:
            problems.refuse_fields([field_error(f"{_FIELD}.secret", "*** stands for a secret, and there is none")])
        else:
            problems.refuse_fields(_key_errors(kept, given.key_encoding, f"{_FIELD}.secret"))
        return old.secrets
    now = services.clock.wall_ms()
    return (*others, endpoint_secrets.seal(services.vault, old.id, "profile", given.secret, now))
