"""How an endpoint is shown."""

import msgspec
import pytest

from gateway.api import endpoint_types as types
from gateway.api import endpoint_views as views
from gateway.api.endpoint_views import Shown
from gateway.model.endpoint import Endpoint, Health, LastFailure, Rate, Status

ENDPOINT = Endpoint(
    id="e", number=7, subscriber="shop", kind="internal", url="https://a.example.com/", headers={"x": "secret"},
    created_ms=0, updated_ms=1_500,
)  # fmt: skip


def test_fields() -> None:
    fields = views.fields_of(ENDPOINT, Shown({}, 600, header_values=True))
    shown = types.Endpoint(**fields)
    assert (shown.headers, shown.created_at, shown.updated_at) == (
        {"x": "secret"},
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:01.500Z",
    )
    assert "secret" not in fields
    assert views.fields_of(ENDPOINT, Shown({}, 600, header_values=False))["headers"] == {"x": "***"}


def test_health_says_when_it_is_disabled() -> None:
    health = Health(3, 1_000, 500, LastFailure(2_000, "http_status", 503, "dlv_1"))
    view = views.health_view(health, 600)
    assert view == types.Health(
        consecutive_failures=3,
        failing_since="1970-01-01T00:00:01.000Z",
        last_success_at="1970-01-01T00:00:00.500Z",
        last_failure=types.LastFailure("1970-01-01T00:00:02.000Z", "http_status", 503, "dlv_1"),
        disables_at="1970-01-01T00:10:01.000Z",
    )
    assert views.health_view(health, None).disables_at is None
    assert views.health_view(Health(), 600) == types.Health()


def test_a_time_of_zero_is_a_time() -> None:
    assert views.health_view(Health(1, 0), 600).disables_at == "1970-01-01T00:10:00.000Z"


def test_the_policy_is_shown() -> None:
    paused = msgspec.structs.replace(
        ENDPOINT, status="paused", paused_ms=1_000, catch_up="rpl_1", rate=Rate(2.5, 3), deadline_seconds=30,
        max_in_flight=2, ordered=True, on_failure="skip",
    )  # fmt: skip
    shown = types.Endpoint(**views.fields_of(paused, Shown({}, 600, header_values=True)))
    assert (shown.status, shown.paused_at, shown.catch_up) == ("paused", "1970-01-01T00:00:01.000Z", "rpl_1")
    assert (shown.deadline_seconds, shown.max_in_flight, shown.rate) == (30, 2, types.Rate(2.5, 3))
    assert (shown.ordered, shown.on_failure) == (True, "skip")
    plain = types.Endpoint(**views.fields_of(ENDPOINT, Shown({}, 600, header_values=True)))
    assert (plain.paused_at, plain.catch_up, plain.rate, plain.deadline_seconds) == (None, None, None, None)


@pytest.mark.parametrize(("status", "shown"), [("enabled", True), ("paused", False), ("disabled", False)])
def test_only_an_enabled_one_is_going_to_be_disabled(status: Status, shown: bool) -> None:
    endpoint = msgspec.structs.replace(ENDPOINT, status=status)
    fields = views.fields_of(endpoint, Shown({7: Health(1, 1_000)}, 600, header_values=True))
    assert (fields["health"].disables_at is not None) is shown
