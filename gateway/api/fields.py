"""Reads a JSON object into the types of a request body, and names every field that is wrong, not only the first.

The declaration is a msgspec struct, the same one that OpenAPI shows. Each field is judged by itself, those of a struct
inside too; an unknown one is refused, since a misspelt field that is ignored is worse than an error. Rules that types
cannot say are checks of the resource, which add to the same list.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from gateway.problems import FieldError, field_error

_AT = " - at `$"
_NEVER_REPEATED = frozenset({"secret"})


class Fields(NamedTuple):
    """`values` holds the good fields, with defaults for absent ones; a bad field is missing from it."""

    values: dict[str, Any]
    errors: list[FieldError]


def read(body: Mapping[str, Any], struct: type[msgspec.Struct], prefix: str = "") -> Fields:
    """The fields of a body by the struct's declaration. `prefix` comes before each name in errors."""
    declared = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name in body:
        if name not in declared:
            listed = ", ".join(declared)
            errors.append(field_error(prefix + name[:64], f"unknown field; known are {listed}", msgspec.UNSET))
    for name, field in declared.items():
        if name in body:
            errors += _convert(body[name], field, prefix + name, values)
        elif field.required:
            errors.append(field_error(prefix + name, "required"))
        else:
            values[field.name] = _default(field)
    return Fields(values, errors)


def _convert(value: Any, field: msgspec.structs.FieldInfo, name: str, values: dict[str, Any]) -> Iterable[FieldError]:
    struct = _struct_of(field)
    if struct is not None and isinstance(value, dict):
        inner = read(value, struct, name + ".")
        if not inner.errors:
            values[field.name] = struct(**inner.values)
        return inner.errors
    try:
        values[field.name] = msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(_AT)
        if reason.startswith("Invalid enum value"):
            reason = f"expected one of {', '.join(map(repr, _choices(field.type)))}"
        shown = msgspec.UNSET if field.encode_name in _NEVER_REPEATED else value
        return [field_error(name + place.rstrip("`"), reason[:1].lower() + reason[1:], shown)]
    return []


def _choices(declared: Any) -> Iterable[Any]:
    """The values of the literals in a type."""
    if get_origin(declared) is Literal:
        return get_args(declared)
    return [choice for inner in get_args(declared) for choice in _choices(inner)]


def _struct_of(field: msgspec.structs.FieldInfo) -> type[msgspec.Struct] | None:
    """The struct that a field holds, or may hold."""
    types = (field.type, *get_args(field.type))
    return next((one for one in types if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def without(body: Mapping[str, Any], read_only: Collection[str]) -> dict[str, Any]:
    """The body without its read-only fields: a PUT may bring back what was read."""
    return {name: value for name, value in body.items() if name not in read_only}


def merge_patch(target: Any, patch: Any) -> Any:
    """The target changed by a merge patch; null removes a member. Source: RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
