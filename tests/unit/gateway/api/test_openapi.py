"""The declaration of an operation."""

from gateway.api.openapi import PAGE_PARAMETERS, Operation, Parameter


def test_query_names_are_those_of_the_query() -> None:
    operation = Operation(
        "n", "GET", "/", "s", answers={200: None}, parameters=(*PAGE_PARAMETERS, Parameter("X", "d", where="header"))
    )
    assert operation.query_names == {"limit", "order", "cursor"}
