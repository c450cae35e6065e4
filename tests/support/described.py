"""Holds answers against the API's own description: status, media type, problem code, schema and headers.

A test that talks through `tests.support.api_rig` has each of its answers checked here, so nothing can be answered that
`/openapi.json` does not say.
"""

import json
import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from gateway.api import routes

_ROOT = "urn:hookline"


@cache
def document() -> Any:
    """The description as JSON values."""
    return json.loads(routes.document())


@cache
def _registry() -> Registry[Any]:
    found: Registry[Any] = Registry().with_resource(_ROOT, DRAFT202012.create_resource(document()))
    return found


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    # a path without parameters goes before one that would match it too
    templates = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", template)), template) for template in templates]


def operation_of(method: str, path: str) -> Any:
    """The description of an operation; None for a path or method that the API does not have."""
    for pattern, template in _paths():
        if pattern.fullmatch(path):
            return document()["paths"][template].get("get" if method == "HEAD" else method.lower())
    return None


def _resolved(node: Any) -> Any:
    while "$ref" in node:
        found = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def check(answer: httpx.Response) -> None:
    """Raise AssertionError if the description does not say this answer of its request."""
    request = answer.request
    operation = operation_of(request.method, request.url.path)
    if operation is None:
        assert answer.status_code in {400, 404, 405}, (request.method, request.url.path, answer.status_code)
        return
    described = operation["responses"].get(str(answer.status_code))
    where = f"{request.method} {request.url.path} -> {answer.status_code}"
    assert described is not None, f"{where} is not described: {answer.text[:300]}"
    described = _resolved(described)
    _check_headers(described, answer, where)
    content = described.get("content", {})
    if request.method == "HEAD" or not content:
        assert request.method == "HEAD" or answer.content == b"", where
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content, f"{where} has {media_type}, described are {list(content)}"
    if media_type.endswith("json"):
        _validate(content[media_type]["schema"], answer.json(), where)


def _check_headers(described: Any, answer: httpx.Response, where: str) -> None:
    required = {"Retry-After": 503, "WWW-Authenticate": 401, "Allow": 405, "x-request-id": answer.status_code}
    for name, status in required.items():
        if answer.status_code == status:
            assert name in answer.headers, f"{where} lacks {name}"
    if answer.status_code == 201:
        assert "Location" in described["headers"]
        assert "Location" in answer.headers


def _validate(schema: Any, value: Any, where: str) -> None:
    rooted = json.loads(json.dumps(schema).replace('"#/', f'"{_ROOT}#/'))
    validator = Draft202012Validator(rooted, registry=_registry(), format_checker=FormatChecker())
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert problems == [], where
