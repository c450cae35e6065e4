"""The document out of declarations."""

import msgspec
import pytest
from openapi_spec_validator import validate

from gateway.api.openapi import Operation, Parameter
from gateway.api.openapi_document import ALWAYS, build, problems_of
from gateway.problems import TABLE


class Thing(msgspec.Struct):
    """A thing."""

    id: str


OPERATION = Operation(
    "put_thing", "PUT", "/v1/things/{id}", "Make a thing", answers={201: Thing, 204: None}, scope="manage",
    body=Thing, body_types=("application/json", "application/x"), problems=("already_exists", "not_found"),
    parameters=(Parameter("dry", "Only look.", bool), Parameter("X-Key", "A key.", where="header")),
    headers={"Location": "Its path."},
)  # fmt: skip


def test_it_says_everything_of_an_operation() -> None:
    document = build([OPERATION])
    validate(document)
    found = document["paths"]["/v1/things/{id}"]["put"]
    assert (found["operationId"], found["tags"], found["security"]) == ("put_thing", ["things"], [{"apiKey": []}])
    assert found["description"] == "Scope: `manage`."
    assert [(p["name"], p["in"], p["required"]) for p in found["parameters"]] == [
        ("id", "path", True),
        ("dry", "query", False),
        ("X-Key", "header", False),
    ]
    assert found["parameters"][1]["schema"] == {"type": "boolean"}
    assert set(found["requestBody"]["content"]) == {"application/json", "application/x"}
    assert "Location" in found["responses"]["201"]["headers"]
    assert "content" not in found["responses"]["204"]
    assert set(found["responses"]) == {"201", "204"} | {str(TABLE[code].status) for code in problems_of(OPERATION)}


def test_problems_of_one_status_share_a_response() -> None:
    both = Operation("n", "GET", "/", "s", answers={200: Thing}, problems=("already_exists", "kind_fixed"))
    response = build([both])["paths"]["/"]["get"]["responses"]["409"]
    schema = response["content"]["application/problem+json"]["schema"]
    assert schema["properties"]["code"]["enum"] == ["already_exists", "kind_fixed"]


def test_an_answer_and_a_problem_of_one_status_share_a_response() -> None:
    probe = Operation("n", "GET", "/", "s", answers={503: Thing}, problems=("overloaded",))
    response = build([probe])["paths"]["/"]["get"]["responses"]["503"]
    assert set(response["content"]) == {"application/json", "application/problem+json"}


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        (Operation("n", "GET", "/", "s", answers={}), {"invalid_parameter"}),
        (
            Operation("n", "GET", "/", "s", answers={}, scope="read"),
            {"invalid_parameter", "unauthorized", "forbidden", "store_unavailable"},
        ),
        (
            Operation("n", "POST", "/", "s", answers={}),
            {"invalid_parameter", "payload_too_large", "request_timeout"},
        ),
    ],
)
def test_problems_follow_from_what_an_operation_has(operation: Operation, more: set[str]) -> None:
    assert set(problems_of(operation)) == {*ALWAYS, *more}
