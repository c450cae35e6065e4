"""Endpoints as the caller may see them."""

import pytest

from gateway.api.endpoint_views import show, show_many
from gateway.model.api_key import Scope
from gateway.store import filter_errors
from gateway.store.health import HealthReport
from tests.integration.gateway.api.calls import call_of
from tests.support.api_rig import Rig


@pytest.mark.parametrize(("scope", "value"), [("read", "***"), ("manage", "secret"), ("admin", "secret")])
async def test_header_values_are_for_who_may_change_them(rig: Rig, scope: Scope, value: str) -> None:
    await rig.external("acme", "e")
    await rig.patch("/v1/endpoints/e", {"headers": {"x": "secret"}})
    endpoint = await rig.services.registry.get_endpoint("e")
    assert endpoint is not None
    async with call_of(rig, scope) as call:
        assert (await show(call, endpoint))["headers"] == {"x": value}


async def test_many_are_shown_in_their_order_with_their_own_health(rig: Rig) -> None:
    await rig.external("acme", "a", "b")
    first, second = await rig.services.registry.list_endpoints()
    report = HealthReport(second.number, second.id, 0, 2, 1_000, 0, None)
    await rig.services.health.report([report], 10**9, 2_000)
    async with call_of(rig, "read") as call:
        shown = await show_many(call, [second, first])
        assert [view["id"] for view in shown] == [second.id, first.id]
        assert [view["health"].consecutive_failures for view in shown] == [2, 0]
        assert await show_many(call, []) == []


async def test_a_filter_without_answer_is_shown_until_it_is_another_one(rig: Rig) -> None:
    await rig.external("acme", "a")
    assert (await rig.patch("/v1/endpoints/a", {"filter": "data.x == 1"})).status_code == 200
    endpoint = await rig.services.registry.get_endpoint("a")
    assert endpoint is not None
    await filter_errors.report(rig.redis, [(endpoint, filter_errors.FilterErrors(3, "no such member: x", 1_000))])
    shown = (await rig.get("/v1/endpoints/a")).json()
    assert shown["filter_errors"] == {
        "count": 3,
        "last_error": "no such member: x",
        "last_at": "1970-01-01T00:00:01.000Z",
    }
    assert (await rig.get("/v1/endpoints")).json()["data"][0]["filter_errors"]["count"] == 3
    changed = await rig.patch("/v1/endpoints/a", {"filter": "has(data.x)"})
    assert changed.json()["filter_errors"] == {"count": 0, "last_error": None, "last_at": None}
