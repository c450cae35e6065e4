"""What may be sent of an endpoint, and its defaults."""

from typing import get_args

import msgspec
import pytest

from gateway.api import endpoint_types as types
from gateway.model import endpoint as model


def names(struct: type[msgspec.Struct]) -> set[str]:
    """The fields of a struct."""
    return {field.name for field in msgspec.structs.fields(struct)}


def test_what_may_be_written_may_be_patched_and_is_shown() -> None:
    writable = names(types.WritableEndpoint)
    assert writable == names(types.EndpointPatch)
    assert writable <= names(types.Endpoint)
    assert names(types.EndpointDetail) - writable - {"id", "subscriber"} == types.READ_ONLY


def test_defaults_are_those_of_the_registry() -> None:
    stored = model.Endpoint("e", 1, "shop", "internal", "https://example.com/")
    given = types.WritableEndpoint("https://example.com/")
    for name in ("status", "retry_schedule", "deadline_seconds", "max_in_flight", "rate", "ordered", "on_failure"):
        assert getattr(given, name) == getattr(stored, name)


@pytest.mark.parametrize(
    ("rate", "burst"),
    [(types.Rate(0.5), 1), (types.Rate(1), 1), (types.Rate(2.5), 3), (types.Rate(100), 100), (types.Rate(9, 2), 2)],
)
def test_a_burst_is_what_one_second_brings_unless_given(rate: types.Rate, burst: int) -> None:
    assert rate.to_model() == model.Rate(rate.per_second, burst)


def test_a_status_is_one_of_three() -> None:
    assert set(get_args(model.Status)) == {"enabled", "paused", "disabled"}
