"""What a route promises: the declaration beside each handler from which routing, checks and OpenAPI are made.

    ROUTES = (
        Route(Operation("get_event", "GET", "/v1/events/{id}", "One event", answers={200: EventView}, scope="read",
                        problems=("not_found",)), get_event),
    )

One declaration has three readers, so they cannot disagree: `app` mounts it and refuses query parameters that it does
not name, `auth` asks for its scope, `openapi_document` describes it. Problems that any request can meet (a bad key, a
slow body, a store that is down) are added there; `problems` lists what is particular to this operation.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple

from gateway.api.call import Answer, Call
from gateway.model.api_key import Scope

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a request header. `schema` is a Python type that msgspec understands, or a JSON schema."""

    name: str
    description: str
    schema: Any = str
    where: Literal["query", "header"] = "query"


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `name` is the OpenAPI operationId; `answers` maps a status to the type of its body, None without one; `body` is the
    type of the request's body, None if it has none; `scope` is None for a route that needs no key; `headers` maps a
    response header that matters to the caller to its description.
    """

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, Any]
    scope: Scope | None = None
    description: str = ""
    body: Any = None
    body_required: bool = True
    body_types: tuple[str, ...] = (JSON,)
    answer_type: str = JSON
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[str, ...] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def query_names(self) -> frozenset[str]:
        """The query parameters that it knows."""
        return frozenset(parameter.name for parameter in self.parameters if parameter.where == "query")


Handler = Callable[[Call], Awaitable[Answer]]


class Route(NamedTuple):
    """An operation and what answers it."""

    operation: Operation
    handler: Handler


PAGE_PARAMETERS = (
    Parameter("limit", "At most so many items.", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
    Parameter(
        "order",
        "`desc`: newest first; `asc`: oldest first.",
        {"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    ),
    Parameter("cursor", "`next` of the page before, with the same filters and order."),
)
"""The parameters of every list."""
