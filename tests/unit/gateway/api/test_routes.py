"""All operations together; the description itself is held against the routes in the contract tests."""

import json

from gateway.api.routes import HOT, OPERATIONS, ROUTES, document


def test_no_method_of_a_path_is_there_twice() -> None:
    places = [(operation.method, operation.path) for operation in OPERATIONS]
    assert len(set(places)) == len(places) == len(HOT) + len(ROUTES)


def test_what_changes_something_needs_a_key() -> None:
    open_paths = {operation.path for operation in OPERATIONS if operation.scope is None}
    assert open_paths == {
        "/", "/livez", "/readyz", "/metrics", "/openapi.json", "/problems/{code}", "/.well-known/jwks.json",
    }  # fmt: skip
    assert all(operation.scope != "read" for operation in OPERATIONS if operation.method not in {"GET", "HEAD"})


def test_the_description_is_made_once() -> None:
    assert document() is document()
    assert json.loads(document())["info"]["title"] == "Hookline"
