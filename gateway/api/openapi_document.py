"""The OpenAPI 3.1 document, made from the declarations of the routes and from their msgspec types.

Nothing is written twice: paths, scopes and parameters come from `Operation`, schemas from the structs that requests
are read into and answers are encoded from, problems from the table of `gateway.problems`. Problems that every request
can meet are added here, by what an operation has: a key, a body, a query, the store.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from gateway.api.openapi import Operation, Parameter
from gateway.problems import MEDIA_TYPE, TABLE, Document

ALWAYS = (
    "malformed_request", "method_not_allowed", "uri_too_long", "headers_too_large", "unsupported_media_type",
    "internal_error",
)  # fmt: skip
"""Problems that any request can be answered with."""
WITH_KEY = ("unauthorized", "forbidden", "store_unavailable")
WITH_BODY = ("payload_too_large", "request_timeout")
_REFERENCE = "#/components/schemas/{name}"
_REQUEST_ID = {"description": "Of this request; in the gateway's log.", "schema": {"type": "string"}}
_PATH_TEXT = {"id": "The id of the object.", "code": "The code of a problem."}


def build(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document as JSON values."""
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Hookline",
            "version": version("hookline"),
            "summary": "Webhook gateway: events in over HTTP, delivered as signed webhooks.",
            "description": "Errors are RFC 9457 problems with a stable `code`. Times are RFC 3339 in UTC. Lists are "
            "`{data, next}`, newest first.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {code: _problem_response(code) for code in TABLE},
            "headers": {"x-request-id": _REQUEST_ID},
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, hk_..."}},
        },
    }


def problems_of(operation: Operation) -> list[str]:
    """Codes of every problem that this operation can answer."""
    codes = [*ALWAYS, *operation.problems]
    if operation.scope is not None:
        codes += WITH_KEY
    if operation.body is not None or operation.method in {"POST", "PUT", "PATCH"}:
        codes += WITH_BODY
    codes.append("invalid_parameter")
    return list(dict.fromkeys(codes))


class _Schemas:
    """JSON schemas of all types in use, named once."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types = list(_types(operations))
        references, self.components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
        self._references = dict(zip(map(repr, types), references, strict=True))

    def of(self, declared: Any) -> dict[str, Any]:
        """The schema of a declared type; a mapping is one already."""
        if isinstance(declared, Mapping):
            return dict(declared)
        return self._references[repr(declared)]


def _types(operations: Iterable[Operation]) -> Iterator[Any]:
    seen = {repr(Document)}
    yield Document
    for operation in operations:
        declared = [operation.body, *operation.answers.values(), *(p.schema for p in operation.parameters)]
        for one in declared:
            if one is not None and not isinstance(one, Mapping) and repr(one) not in seen:
                seen.add(repr(one))
                yield one


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.path.split("/")[2] if operation.path.startswith("/v1/") else "operation"],
        "responses": _responses(operation, schemas),
        "security": [{"apiKey": []}] if operation.scope else [],
    }
    text = [operation.description, f"Scope: `{operation.scope}`." if operation.scope else ""]
    if any(text):
        described["description"] = " ".join(filter(None, text))
    parameters = [*_path_parameters(operation.path), *(_parameter(one, schemas) for one in operation.parameters)]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {media_type: {"schema": schemas.of(operation.body)} for media_type in operation.body_types}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}")
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PATH_TEXT[name],
                "schema": {"type": "string"},
            }


def _parameter(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": False,
        "description": parameter.description,
        "schema": schemas.of(parameter.schema),
    }


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, declared in operation.answers.items():
        response = responses[str(status)] = {"description": HTTPStatus(status).phrase, "headers": _headers(operation)}
        if declared is not None:
            response["content"] = {operation.answer_type: {"schema": schemas.of(declared)}}
    by_status: dict[int, list[str]] = {}
    for code in problems_of(operation):
        by_status.setdefault(TABLE[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        if str(status) in responses:
            responses[str(status)].setdefault("content", {})[MEDIA_TYPE] = {"schema": _problem_schema(codes)}
        else:
            responses[str(status)] = _problems(codes)
    return responses


def _headers(operation: Operation) -> dict[str, Any]:
    own = {name: {"description": text, "schema": {"type": "string"}} for name, text in operation.headers.items()}
    return {"x-request-id": {"$ref": "#/components/headers/x-request-id"}, **own}


def _problems(codes: Sequence[str]) -> dict[str, Any]:
    """One response of a status, whatever of its problems it is."""
    if len(codes) == 1:
        return {"$ref": f"#/components/responses/{codes[0]}"}
    listed = "; ".join(f"`{code}`: {TABLE[code].title}" for code in codes)
    content = {MEDIA_TYPE: {"schema": _problem_schema(codes)}}
    return {"description": listed, "headers": _problem_headers(codes), "content": content}


def _problem_schema(codes: Sequence[str]) -> dict[str, Any]:
    document = {"$ref": _REFERENCE.format(name="Document")}
    return {"allOf": [document], "properties": {"code": {"enum": sorted(codes)}}}


def _problem_response(code: str) -> dict[str, Any]:
    row = TABLE[code]
    return {
        "description": f"{row.title}. {row.way_out}",
        "headers": _problem_headers([code]),
        "content": {MEDIA_TYPE: {"schema": _problem_schema([code])}},
    }


def _problem_headers(codes: Sequence[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    if any(TABLE[code].retry_after is not None for code in codes):
        headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
    if "unauthorized" in codes:
        headers["WWW-Authenticate"] = {"description": "`Bearer`.", "schema": {"type": "string"}}
    if "method_not_allowed" in codes:
        headers["Allow"] = {"description": "Methods of the path.", "schema": {"type": "string"}}
    return headers
