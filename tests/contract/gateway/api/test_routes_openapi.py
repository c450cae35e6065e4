"""The description at `/openapi.json`: valid, complete, and nothing in it that does not exist."""

from pathlib import Path
from typing import Any

from openapi_spec_validator import validate

from gateway.api.openapi_document import ALWAYS, problems_of
from gateway.api.routes import HOT, OPERATIONS, ROUTES
from gateway.problems import TABLE
from tests.support import described
from tests.support.api_rig import opened

# every path and method of the API, as issue 2 and DESIGN list them
EXPECTED = {
    "/v1/events": {"get", "post"},
    "/v1/events/batch": {"post"},
    "/v1/events/{id}": {"get"},
    "/v1/events/{id}/explain": {"get"},
    "/v1/events/{id}/redeliver": {"post"},
    "/v1/deliveries": {"get"},
    "/v1/deliveries/{id}": {"get"},
    "/v1/deliveries/{id}/redeliver": {"post"},
    "/v1/subscribers": {"get", "post"},
    "/v1/subscribers/{id}": {"get", "put", "patch", "delete"},
    "/v1/subscribers/{id}/endpoints": {"get", "post"},
    "/v1/endpoints": {"get"},
    "/v1/endpoints/{id}": {"get", "put", "patch", "delete"},
    "/v1/endpoints/{id}/secret": {"get"},
    "/v1/endpoints/{id}/secret/rotate": {"post"},
    "/v1/endpoints/{id}/enable": {"post"},
    "/v1/endpoints/{id}/disable": {"post"},
    "/v1/endpoints/{id}/pause": {"post"},
    "/v1/endpoints/{id}/resume": {"post"},
    "/v1/endpoints/{id}/test": {"post"},
    "/v1/endpoints/{id}/filter/test": {"post"},
    "/v1/replays": {"get", "post"},
    "/v1/replays/{id}": {"get"},
    "/v1/replays/{id}/cancel": {"post"},
    "/": {"get"},
    "/livez": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
    "/openapi.json": {"get"},
    "/.well-known/jwks.json": {"get"},
    "/problems/{code}": {"get"},
}


def test_it_is_valid() -> None:
    document = described.document()
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_it_has_every_path_and_method() -> None:
    assert {path: set(methods) for path, methods in described.document()["paths"].items()} == EXPECTED


async def test_it_is_what_is_mounted(valkey_url: str, tmp_path: Path) -> None:
    async with opened(valkey_url, tmp_path) as rig:
        mounted: dict[str, set[str]] = {}
        for route in rig.app.router.routes:
            allowed = route.app.allow.split(", ")  # type: ignore[attr-defined]  # each path is a Resource
            mounted[route.path] = {method.lower() for method in allowed} - {"head"}  # type: ignore[attr-defined]  # as above
    assert mounted == {path: set(methods) for path, methods in described.document()["paths"].items()}


def test_names_are_unique_and_ids_of_operations() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names) == len(HOT) + len(ROUTES)
    found = [method["operationId"] for path in described.document()["paths"].values() for method in path.values()]
    assert sorted(found) == sorted(names)


def test_every_problem_of_the_table_is_answered_by_something() -> None:
    answered = {code for operation in OPERATIONS for code in problems_of(operation)}
    assert answered == set(TABLE)
    assert set(ALWAYS) < set(TABLE)


def test_every_operation_says_what_it_is() -> None:
    for path, methods in described.document()["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert not operation["summary"].endswith(".")
            ids = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"]
            assert all(f"{{{name}}}" in path for name in ids)


def test_no_schema_is_left_over() -> None:
    document = described.document()
    used: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if str(node.get("$ref", "")).startswith("#/components/schemas/"):
                used.add(node["$ref"].rpartition("/")[2])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    assert used == set(document["components"]["schemas"])
