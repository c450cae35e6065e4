"""How an endpoint looks in the API."""

from gateway.api import endpoint_types as types
from gateway.api.endpoint_types import Shown
from gateway.model.endpoint import Endpoint, Health, LastFailure

ENDPOINT = Endpoint(
    id="e", number=7, subscriber="shop", kind="internal", url="https://a.example.com/", headers={"x": "secret"},
    secret=b"sealed", created_ms=0, updated_ms=1_500,
)  # fmt: skip


def test_fields() -> None:
    fields = types.fields_of(ENDPOINT, Shown({}, 600, header_values=True))
    shown = types.Endpoint(**fields)
    assert (shown.headers, shown.created_at, shown.updated_at) == (
        {"x": "secret"},
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:01.500Z",
    )
    assert "secret" not in fields
    assert types.fields_of(ENDPOINT, Shown({}, 600, header_values=False))["headers"] == {"x": "***"}


def test_health_says_when_it_is_disabled() -> None:
    health = Health(3, 1_000, 500, LastFailure(2_000, "http_status", 503, "dlv_1"))
    view = types.health_view(health, 600)
    assert view == types.Health(
        consecutive_failures=3,
        failing_since="1970-01-01T00:00:01.000Z",
        last_success_at="1970-01-01T00:00:00.500Z",
        last_failure=types.LastFailure("1970-01-01T00:00:02.000Z", "http_status", 503, "dlv_1"),
        disables_at="1970-01-01T00:10:01.000Z",
    )
    assert types.health_view(health, None).disables_at is None
    assert types.health_view(Health(), 600) == types.Health()


def test_a_time_of_zero_is_a_time() -> None:
    assert types.health_view(Health(1, 0), 600).disables_at == "1970-01-01T00:10:00.000Z"
